"""Who asks. The one place that knows: routes are told an owner and nothing else.

The socket can only be opened by the user who runs the server, so everybody who asks is that user. Tokens and users
of a shared server are other answers to the same question.
"""

from __future__ import annotations

import os
import pwd
from typing import Annotated

from fastapi import Depends


def owner() -> str:
    """Return the owner on whose behalf the request is made."""
    return system_user()


def system_user() -> str:
    """Return the name of the user who runs this process; the number when the system knows no name."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


Owner = Annotated[str, Depends(owner)]
