"""Spark configuration: layers per role, wanted ports, and what is reported before a start."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from fireside.model import conf, confkeys
from fireside.model.confkeys import Kind, Reader
from fireside.model.findings import Finding, Severity
from fireside.model.spec import ClusterSpec
from fireside.model.state import Role


def spec(**fields: Any) -> ClusterSpec:
    return ClusterSpec.model_validate(fields)


class TestLayers:
    def test_a_roles_own_value_wins_over_the_shared_one_and_that_over_the_product(self) -> None:
        shared = spec(spark={"conf": {"spark.worker.cleanup.interval": 60}})
        own = spec(
            spark={"conf": {"spark.worker.cleanup.interval": 60}},
            workers={"conf": {"spark.worker.cleanup.interval": 5}},
        )
        key = "spark.worker.cleanup.interval"
        found = [conf.role_conf(each, Role.WORKER)[key] for each in (spec(), shared, own)]
        assert found == ["3600", "60", "5"]

    def test_the_master_forgets_recovers_and_takes_no_rest_submissions(self) -> None:  # STD-11, STD-17, STD-18
        found = conf.role_conf(spec(), Role.MASTER)
        assert found["spark.deploy.retainedApplications"] == "20"
        assert found["spark.deploy.retainedDrivers"] == "20"
        assert found["spark.deploy.recoveryMode"] == "FILESYSTEM"
        assert found["spark.master.rest.enabled"] == "false"

    def test_workers_clean_up_and_bound_the_logs_of_executors(self) -> None:  # STD-13
        found = conf.role_conf(spec(), Role.WORKER)
        assert found["spark.worker.cleanup.enabled"] == "true"
        assert found["spark.worker.cleanup.interval"] == "3600"
        assert found["spark.worker.cleanup.appDataTtl"] == "10800"
        assert found["spark.executor.logs.rolling.strategy"] == "size"
        assert int(found["spark.executor.logs.rolling.maxRetainedFiles"]) > 0

    def test_executors_are_tuned_by_their_heap_and_the_collector_is_the_owners_to_pick(self) -> None:
        key = "spark.executor.defaultJavaOptions"
        small = conf.role_conf(spec(executors={"memory": "1g"}), Role.CONNECT)
        picked = spec(executors={"memory": "1g"}, spark={"conf": {"spark.executor.extraJavaOptions": "-XX:+UseG1GC"}})
        own = spec(executors={"memory": "1g"}, spark={"conf": {key: "-ea"}})
        assert "-XX:+UseSerialGC" in small[key]
        assert "GC" not in conf.role_conf(picked, Role.CONNECT)[key]
        assert conf.role_conf(own, Role.CONNECT)[key] == "-ea"

    def test_every_driver_gets_the_executors_of_the_spec(self) -> None:  # STD-14
        wanted = spec(executors={"cores": 2, "memory": "1536m"})
        for found in (conf.role_conf(wanted, Role.CONNECT), conf.driver_conf(wanted)):
            assert found["spark.executor.cores"] == "2"
            assert found["spark.executor.memory"] == "1536m"

    def test_every_role_takes_part_in_decommissioning(self) -> None:
        for role in Role:
            assert conf.role_conf(spec(), role)["spark.decommission.enabled"] == "true"

    def test_tables_of_the_connect_server_outlive_it_and_a_driver_of_ones_own_does_not_open_its_catalog(self) -> None:
        assert conf.role_conf(spec(), Role.CONNECT)["spark.sql.catalogImplementation"] == "hive"
        assert conf.driver_conf(spec())["spark.sql.catalogImplementation"] == "in-memory"

    def test_configuration_of_the_connect_server_is_not_that_of_other_drivers(self) -> None:
        wanted = spec(connect={"conf": {"spark.sql.ansi.enabled": False}}, spark={"conf": {"spark.cores.max": 4}})
        assert conf.role_conf(wanted, Role.CONNECT)["spark.sql.ansi.enabled"] == "false"
        assert "spark.sql.ansi.enabled" not in conf.driver_conf(wanted)
        assert conf.driver_conf(wanted)["spark.cores.max"] == "4"

    def test_a_shared_setting_that_only_drivers_read_does_not_touch_master_and_workers(self) -> None:
        wanted = spec(spark={"conf": {"spark.sql.shuffle.partitions": 8}})
        assert conf.role_conf(wanted, Role.CONNECT)["spark.sql.shuffle.partitions"] == "8"
        assert conf.role_conf(wanted, Role.WORKER) == conf.role_conf(spec(), Role.WORKER)
        assert conf.role_conf(wanted, Role.MASTER) == conf.role_conf(spec(), Role.MASTER)

    def test_a_shared_worker_timeout_reaches_both_who_count_by_it(self) -> None:
        wanted = spec(spark={"conf": {"spark.worker.timeout": 15}})
        assert conf.role_conf(wanted, Role.MASTER)["spark.worker.timeout"] == "15"
        assert conf.role_conf(wanted, Role.WORKER)["spark.worker.timeout"] == "15"

    def test_a_key_that_nobody_knows_reaches_every_role(self) -> None:
        wanted = spec(spark={"conf": {"spark.plugin.of.mine": "x"}})
        assert all(conf.role_conf(wanted, role)["spark.plugin.of.mine"] == "x" for role in Role)

    def test_an_event_log_directory_turns_the_event_log_on_unless_it_was_turned_off(self) -> None:  # EVT-02
        directory = {"spark.eventLog.dir": "/logs"}
        on = conf.role_conf(spec(connect={"conf": directory}), Role.CONNECT)
        off = conf.role_conf(spec(connect={"conf": {**directory, "spark.eventLog.enabled": False}}), Role.CONNECT)
        assert on["spark.eventLog.enabled"] == "true"
        assert off["spark.eventLog.enabled"] == "false"

    def test_a_cluster_without_a_master_offers_nothing_to_other_drivers(self) -> None:
        assert conf.driver_conf(spec(topology="single")) == {}

    def test_no_default_is_a_key_that_spark_does_not_know(self) -> None:
        for role in Role:
            for key in conf.role_conf(spec(), role):
                assert key in confkeys.known() or key.startswith("spark.hadoop.")

    def test_defaults_pass_their_own_check(self) -> None:
        parts = {Role.MASTER: "master", Role.WORKER: "workers", Role.CONNECT: "connect"}
        kept = {
            part: {"conf": {k: v for k, v in conf.role_conf(spec(), role).items() if k not in confkeys.OWNED}}
            for role, part in parts.items()
        }
        kept["workers"]["conf"].pop("spark.worker.timeout")  # stands on both sides here, and is reported on one
        assert conf.check(spec(**kept)) == []


class TestPorts:
    def test_the_usual_ports_are_wanted(self) -> None:  # STD-05
        assert conf.preferred_ports(spec()) == {
            (Role.MASTER, "rpc"): 7077,
            (Role.MASTER, "ui"): 8080,
            (Role.WORKER, "rpc"): 0,
            (Role.WORKER, "ui"): 8081,
            (Role.CONNECT, "grpc"): 15002,
            (Role.CONNECT, "ui"): 4040,
        }

    @pytest.mark.parametrize("key", ["spark.connect.grpc.binding.port", "spark.sql.connect.port"])
    def test_the_connect_port_can_be_asked_for_by_its_key_and_by_the_one_people_write(self, key: str) -> None:  # CON-02
        wanted = spec(connect={"conf": {key: 15999}})
        assert conf.preferred_ports(wanted)[Role.CONNECT, "grpc"] == 15999
        assert not {key, "spark.connect.grpc.binding.port"} & conf.role_conf(wanted, Role.CONNECT).keys()

    def test_the_real_key_wins_over_its_alias_whatever_their_order(self) -> None:
        wanted = spec(connect={"conf": {"spark.connect.grpc.binding.port": 1, "spark.sql.connect.port": 2}})
        assert conf.preferred_ports(wanted)[Role.CONNECT, "grpc"] == 1

    def test_pages_can_be_moved_by_the_keys_of_their_role(self) -> None:
        wanted = spec(
            master={"conf": {"spark.master.ui.port": 8090}},
            workers={"conf": {"spark.worker.ui.port": 0}},
            spark={"conf": {"spark.ui.port": 4050}},
        )
        found = conf.preferred_ports(wanted)
        assert (found[Role.MASTER, "ui"], found[Role.WORKER, "ui"], found[Role.CONNECT, "ui"]) == (8090, 0, 4050)

    @pytest.mark.parametrize("value", ["65536", "-1", "many", "²"])
    def test_what_is_no_port_is_reported_and_passed_over(self, value: str) -> None:
        wanted = spec(connect={"conf": {"spark.ui.port": value}})
        assert conf.preferred_ports(wanted)[Role.CONNECT, "ui"] == 4040
        assert [finding.severity for finding in conf.check(wanted)] == [Severity.ERROR]


class Case(NamedTuple):
    part: str
    key: str
    value: object
    severity: Severity
    says: str
    """A part of the message or the hint."""


ERROR, WARNING = Severity.ERROR, Severity.WARNING

CASES = [
    # CON-04: the configuration of one of the seeds
    Case("connect", "spark.dynamicAllocation.executorIdleTimeout", 600000, WARNING, "6.9 days"),
    Case("connect", "spark.dynamicAllocation.executorIdleTimeout", 600000, WARNING, "write 600000ms (10 minutes)"),
    Case("connect", "spark.dynamicAllocation.schedulerBacklogTimeout", 5000, WARNING, "1.4 hours"),
    Case("connect", "spark.dynamicAllocation.schedulerBacklogTimeout", 5000, WARNING, "5000ms (5 seconds)"),
    Case("spark", "spark.network.timeout", 120, WARNING, "write 120s"),
    Case("connect", "spark.executor.heartbeatInterval", 10, WARNING, "perhaps meant are 10 seconds"),
    Case("connect", "spark.executor.heartbeatInterval", 20000, WARNING, "write 20000ms"),
    # CON-02
    Case("connect", "spark.sql.connect.port", 15999, WARNING, "spark.connect.grpc.binding.port"),
    # unknown keys
    Case("connect", "spark.sql.shufle.partitions", 8, WARNING, "spark.sql.shuffle.partitions"),
    Case("spark", "spark.plugin.of.mine", "x", WARNING, "keep it if a plug-in reads it"),
    Case("spark", "fs.s3a.endpoint", "x", WARNING, "spark.hadoop.fs.s3a.endpoint"),
    # STD-12
    Case("workers", "spark.executor.heartbeatInterval", "10s", WARNING, "connect.conf or spark.conf"),
    Case("workers", "spark.executor.memory", "2g", ERROR, "executors.memory"),
    Case("workers", "spark.eventLog.dir", "/logs", WARNING, "read by the driver"),
    Case("workers", "spark.worker.timeout", 30, WARNING, "does not reach the master"),
    Case("spark", "spark.executor.memoryOverhead", "512m", WARNING, "does nothing"),
    Case("workers", "spark.executor.memoryOverhead", "512m", WARNING, "does nothing"),
    Case("master", "spark.worker.cleanup.enabled", True, WARNING, "workers.conf"),
    Case("connect", "spark.deploy.retainedDrivers", 5, WARNING, "master.conf"),
    # EVT-02
    Case("connect", "spark.eventLog.dir", "/logs", WARNING, "spark.eventLog.enabled"),
    Case("spark", "spark.eventLog.dir", "/logs", WARNING, "spark.eventLog.enabled"),
    # values that Spark refuses
    Case("connect", "spark.sql.ansi.enabled", "yes", ERROR, "true or false"),
    Case("connect", "spark.sql.shuffle.partitions", "many", ERROR, "a whole number"),
    Case("connect", "spark.memory.fraction", "half", ERROR, "a number"),
    Case("connect", "spark.network.timeout", "1.5h", ERROR, "such as 90s"),
    Case("connect", "spark.driver.maxResultSize", "1.5g", ERROR, "such as 512m"),
    Case("connect", "spark.ui.port", 70000, ERROR, "65535"),
    Case("connect", "spark.executor.extraJavaOptions", "-Xmx2g -ea", ERROR, "executors.memory"),
    Case("connect", "spark.driver.extraJavaOptions", "-Da='b", ERROR, "not closed"),
    # what Fireside sets
    Case("spark", "spark.master", "local[4]", ERROR, "topology"),
    Case("spark", "spark.local.dir", "/scratch", ERROR, "directory of its own"),
    Case("connect", "spark.driver.memory", "2g", ERROR, "connect.memory"),
    Case("connect", "spark.jars.packages", "a:b:1", ERROR, "spark.packages"),
    Case("master", "spark.master.rest.enabled", True, ERROR, "always off"),
    # secrets
    Case("connect", "spark.hadoop.fs.s3a.secret.key", "hunter2", WARNING, "looks like a secret"),
    Case("spark", "spark.authenticate.secret", "hunter2", ERROR, "secret of its own"),
    Case("connect", "spark.connect.authenticate.token", "hunter2", ERROR, "token of its own"),
]


def text_of(finding: Finding) -> str:
    return " ".join(part or "" for part in (finding.message, finding.hint, finding.allowed))


class TestCheck:
    @pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.part}-{case.key}-{case.says}")
    def test_it_reports(self, case: Case) -> None:
        findings = conf.check(spec(**{case.part: {"conf": {case.key: case.value}}}))
        fitting = [f for f in findings if f.severity is case.severity and case.says in text_of(f)]
        assert fitting, findings
        assert fitting[0].field == f"{case.part}.conf.{case.key}"

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("spark.sql.shuffle.partitions", 8),
            ("spark.network.timeout", "2min"),
            ("spark.locality.wait", 0),
            ("spark.driver.maxResultSize", "2g"),
            ("spark.sql.autoBroadcastJoinThreshold", -1),
            ("spark.hadoop.fs.s3a.endpoint", "http://localhost:9000"),
            ("spark.sql.catalog.lake", "org.apache.iceberg.spark.SparkCatalog"),
            ("spark.executorEnv.OMP_NUM_THREADS", 1),
            ("spark.databricks.delta.schema.autoMerge.enabled", True),
            ("spark.sql.warehouse.dir", "${system:user.dir}/warehouse"),
            ("spark.cores.max", 2),
            ("spark.logConf", True),
            ("spark.shuffle.io.maxRetries", 5),
            ("spark.executor.extraJavaOptions", "-XX:MaxMetaspaceSize=1g"),
        ],
    )
    def test_it_is_silent_on_what_works(self, key: str, value: object) -> None:
        assert conf.check(spec(connect={"conf": {key: value}})) == []

    @pytest.mark.parametrize("value", ["10m", "32MB", "1GB"])
    def test_it_is_silent_on_the_workers_own_keys(self, value: str) -> None:
        rolling = {"spark.executor.logs.rolling.maxSize": value, "spark.worker.cleanup.enabled": True}
        assert conf.check(spec(workers={"conf": rolling})) == []

    def test_an_event_log_that_is_on_or_off_on_purpose_is_not_reported(self) -> None:  # EVT-02
        for enabled in (True, False):
            both = {"spark.eventLog.dir": "/logs", "spark.eventLog.enabled": enabled}
            assert conf.check(spec(connect={"conf": both})) == []

    @pytest.mark.parametrize(
        "key",
        [
            "spark.authenticate.secret",
            "spark.connect.authenticate.token",
            "spark.hadoop.fs.s3a.secret.key",
            "spark.hadoop.javax.jdo.option.ConnectionPassword",
            "spark.hadoop.fs.s3a.access.key",
            "spark.ssl.keyPassword",
            "password",
        ],
    )
    @pytest.mark.parametrize("part", ["spark", "master", "workers", "connect"])
    def test_no_finding_repeats_a_secret(self, part: str, key: str) -> None:  # SEC-03
        findings = conf.check(spec(**{part: {"conf": {key: "hunter2"}}}))
        assert findings
        assert "hunter2" not in repr(findings)

    def test_a_flag_with_a_word_for_secrets_in_its_name_is_no_secret(self) -> None:
        assert conf.check(spec(connect={"conf": {"spark.sql.redaction.options.regex": "(?i)url"}})) == []


class TestKeys:
    def test_kinds_and_units_are_those_that_spark_converts_with(self) -> None:
        keys = confkeys.known()
        idle = keys["spark.dynamicAllocation.executorIdleTimeout"]
        assert (idle.kind, idle.unit) == (Kind.TIME, "s")
        assert keys["spark.executor.heartbeatInterval"].unit == "ms"
        assert (keys["spark.executor.memory"].kind, keys["spark.executor.memory"].unit) == (Kind.BYTES, "m")
        assert keys["spark.connect.grpc.binding.port"].kind is Kind.INT
        assert keys["spark.memory.fraction"].kind is Kind.DOUBLE
        assert keys["spark.sql.ansi.enabled"].kind is Kind.BOOL

    def test_the_alias_is_no_key_of_spark(self) -> None:
        assert not confkeys.ALIASES.keys() & confkeys.known().keys()

    def test_what_fireside_sets_and_its_port_keys_are_keys_of_spark(self) -> None:
        assert confkeys.PORT_KEYS.keys() <= confkeys.known().keys()
        assert confkeys.OWNED.keys() <= confkeys.known().keys()

    @pytest.mark.parametrize(
        ("key", "reader"),
        [
            ("spark.executor.memory", Reader.DRIVER),
            ("spark.executor.logs.rolling.strategy", Reader.WORKER),
            ("spark.worker.timeout", Reader.ANYONE),
            ("spark.worker.cleanup.interval", Reader.WORKER),
            ("spark.shuffle.service.enabled", Reader.ANYONE),
            ("spark.ssl.enabled", Reader.ANYONE),
        ],
    )
    def test_the_longest_known_beginning_says_who_reads_a_key(self, key: str, reader: Reader) -> None:
        assert confkeys.reader_of(key) is reader
