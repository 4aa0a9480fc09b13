"""Where nginx is."""

import shutil


def find_nginx() -> str | None:
    """Return the path of the program. Debian puts it where only root looks."""
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
