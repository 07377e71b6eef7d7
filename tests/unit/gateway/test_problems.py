"""One error shape for every answer that is not 2xx: W-09, W-10, DYN-04."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import httpx
import pytest

from fireside import wire
from fireside.engine.service import Engine, Mode
from fireside.errors import FiresideError
from fireside.gateway.app import create_app
from fireside.gateway.context import Service
from fireside.gateway.problems import MAX_BODY
from fireside.ports import ClusterRecord

JSON = {"content-type": "application/json"}


class Failing(Engine):
    """An engine whose every use case fails in the same way."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    async def get(self, owner: str, ref: str) -> ClusterRecord:
        raise self.error

    async def create(
        self,
        owner: str,
        asked: Mapping[str, Any],
        *,
        mode: Mode = "refuse",
        start: bool = True,
        expected_generation: int | None = None,
    ) -> tuple[ClusterRecord, bool]:
        raise self.error


Asker = Callable[..., Any]


def client_of(error: Exception) -> httpx.AsyncClient:
    app = create_app(Service(Failing(error), "installation", "1.0", stop=lambda: None))
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app, raise_app_exceptions=False), base_url="http://localhost"
    )


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(RuntimeError("a bug")) as found:
        yield found


def problem(response: httpx.Response) -> wire.Problem:
    assert response.headers["content-type"] == "application/json; charset=utf-8"
    assert set(response.json()) == set(wire.Problem.model_fields)
    return wire.Problem.model_validate_json(response.content)


@pytest.mark.parametrize("row", wire.ERRORS, ids=lambda row: row.code)
async def test_every_error_is_told_with_its_code_and_status(row: wire.ErrorRow) -> None:
    error = row.error("tried that", field="workers", found="0", allowed="1 to 9", hint="ask for 1")
    async with client_of(error) as client:
        response = await client.get("/api/v1/clusters/mine")
    assert response.status_code == row.http
    assert problem(response) == wire.problem_of(error)


class Unlisted(FiresideError):
    """An error that has no row of its own."""


async def test_an_error_without_a_row_is_told_as_ours() -> None:
    async with client_of(Unlisted("strange")) as client:
        response = await client.get("/api/v1/clusters/mine")
    assert (response.status_code, problem(response).code) == (500, "internal")


@pytest.mark.parametrize(
    ("path", "near"),
    [("/api/v1/clusterz", "/api/v1/clusters"), ("/api/v1/clusters/", "/api/v1/clusters"), ("/", "openapi.json")],
)
async def test_an_unknown_route_names_the_nearest(client: httpx.AsyncClient, path: str, near: str) -> None:
    response = await client.get(path)
    assert response.status_code == 404
    found = problem(response)
    assert found.code == "not_found"
    assert near in (found.hint or "")


async def test_a_wrong_method_names_all_methods_of_the_route(client: httpx.AsyncClient) -> None:
    response = await client.put("/api/v1/clusters/mine")
    assert response.status_code == 405
    assert problem(response).allowed == response.headers["allow"] == "DELETE, GET, PATCH"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{", "not JSON"),
        (b"", "JSON object"),
        (b"[]", "JSON object"),
        (b'"text"', "JSON object"),
        (b'{"spek": {}}', "spek: there is no such field"),
        (b'{"spec": []}', "spec: "),
        (b'{"change": "maybe"}', "change: "),
        (b'{"spec": {"workers": NaN}}', "spec: neither text nor a number"),
        (b'{"spec": {"name": "\\ud800"}}', "spec: neither text nor a number"),
        (b'{"expected_generation": "many"}', "expected_generation: "),
        (b'{"expected_generation": true}', "expected_generation: "),
        (b'{"start": 1}', "start: "),
    ],
)
async def test_a_body_that_has_not_its_form_is_refused(client: httpx.AsyncClient, body: bytes, words: str) -> None:
    response = await client.post("/api/v1/clusters", content=body, headers=JSON)
    assert response.status_code == 422
    found = problem(response)
    assert found.code == "invalid_spec"
    assert found.message.startswith(words) or words in found.message
    assert found.field


async def test_a_body_of_another_type_is_refused(client: httpx.AsyncClient) -> None:
    response = await client.post("/api/v1/clusters", content=b"<a/>", headers={"content-type": "text/xml"})
    assert response.status_code == 422
    assert "application/json" in problem(response).message


async def test_a_body_nested_too_deeply_is_refused(client: httpx.AsyncClient) -> None:
    response = await client.post("/api/v1/clusters", content=b"[" * 100_000, headers=JSON)
    assert response.status_code in {400, 422}
    assert problem(response).code == "invalid_spec"


async def test_a_body_that_is_announced_too_large_is_refused(client: httpx.AsyncClient) -> None:
    response = await client.post("/api/v1/clusters", content=b" " * (MAX_BODY + 1), headers=JSON)
    assert response.status_code == 413
    assert str(MAX_BODY) in (problem(response).allowed or "")


async def test_a_body_that_grows_too_large_is_refused(client: httpx.AsyncClient) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(30):
            yield b" " * (MAX_BODY // 10)

    response = await client.post("/api/v1/clusters", content=endless(), headers=JSON)
    assert response.status_code == 413
    assert problem(response).code == "invalid_spec"


@pytest.mark.parametrize("query", ["after=-1", "after=x", "aftr=1", f"after={2**60}", "follow=perhaps"])
async def test_a_query_that_has_not_its_form_is_refused(client: httpx.AsyncClient, query: str) -> None:
    response = await client.get(f"/api/v1/clusters/mine/events?{query}")
    assert response.status_code == 422
    assert problem(response).field == query.split("=", maxsplit=1)[0]


async def test_a_bug_is_told_by_a_number_and_logged_with_it(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        async with client_of(RuntimeError("token=s3cret")) as client:
            response = await client.get("/api/v1/clusters/mine")
    assert response.status_code == 500
    found = problem(response)
    assert found.code == "internal"
    assert "s3cret" not in response.text
    assert "Traceback" not in response.text
    number = found.message.split("report ")[1].rstrip(")")
    assert number in caplog.text
    assert "Traceback" in caplog.text


async def test_every_route_declares_the_error_shape(client: httpx.AsyncClient) -> None:
    document = (await client.get("/api/v1/openapi.json")).json()
    shape = {"$ref": "#/components/schemas/Problem"}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            failures = {s: a for s, a in operation["responses"].items() if not s.startswith("2")}
            assert "default" in failures, (path, method)
            for status, described in failures.items():
                assert described["content"]["application/json"]["schema"] == shape, (path, method, status)


async def test_there_is_no_page_of_the_framework(client: httpx.AsyncClient) -> None:
    for path in ("/docs", "/redoc", "/openapi.json", "/api/v1/docs"):
        response = await client.get(path)
        assert (response.status_code, json.loads(response.text)["code"]) == (404, "not_found")
