"""What other users have to reach in pytest's directories, which are closed to them."""
import os
import tempfile


def open_up(path):
    """Lets everybody into the directory, and into those of ours that lead there. Returns it."""
    for directory in (path, *path.parents):
        if str(directory) != tempfile.gettempdir() and str(directory).startswith(tempfile.gettempdir()) \
                and directory.stat().st_uid == os.getuid():
            directory.chmod(0o755)
    return path
