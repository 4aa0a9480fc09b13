"""A certificate for servers on 127.0.0.1, and the authority that signed it, made with openssl."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest


class Certificates(NamedTuple):
    """Paths of PEM files."""

    authority: Path
    certificate: Path
    key: Path


def made_certificates(directory: Path) -> Certificates:
    """Make them in an empty directory.

    Without openssl a skip, or a failure when CI or TEST_ALL is set.
    """
    if shutil.which("openssl") is None:
        if os.environ.get("CI") or os.environ.get("TEST_ALL"):
            pytest.fail("openssl is missing")
        pytest.skip("openssl is missing")
    (directory / "extensions").write_text(
        "subjectAltName=IP:127.0.0.1,DNS:localhost\n"
        "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
    )
    new_key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
    for command in (
        f"req -x509 {new_key} -keyout ca.key -out ca.pem -days 2 -subj /CN=tests "
        "-addext keyUsage=critical,keyCertSign,cRLSign",
        f"req {new_key} -keyout server.key -out server.csr -subj /CN=localhost",
        "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out server.pem "
        "-days 2 -extfile extensions",
    ):
        subprocess.run(
            ["openssl", *command.split()],
            cwd=directory,
            check=True,
            capture_output=True,
            timeout=60,
        )
    return Certificates(*(directory / name for name in ("ca.pem", "server.pem", "server.key")))
