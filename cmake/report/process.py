"""Running a command within a limit, keeping what it printed."""
import dataclasses
import os
import signal
import subprocess
import time


@dataclasses.dataclass
class Ran:
    code: int  # None: it was cut off
    text: str

    @property
    def cut_off(self):
        return self.code is None


def run(command, log, limit):
    """Appends what the command prints to the file `log`; ends it, and what it started, after `limit` seconds."""
    with open(log, "ab") as file:
        file.write(("\n$ " + " ".join(map(str, command)) + "\n").encode())
        file.flush()
        begin = file.tell()
        try:
            process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                       start_new_session=True)
        except OSError as error:
            return Ran(127, str(error))
        try:
            code = process.wait(timeout=max(limit, 0))
        except subprocess.TimeoutExpired:
            code = None
            stop(process)
    with open(log, "rb") as file:
        file.seek(begin)
        return Ran(code, file.read().decode(errors="replace"))


def stop(process):
    """Asks first: a program in the middle of a file may end it."""
    for which in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, which)
        except ProcessLookupError:
            break
        end = time.monotonic() + 3
        while process.poll() is None and time.monotonic() < end:
            time.sleep(0.05)
    process.wait()
