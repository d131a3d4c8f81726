"""The error tree. Each class owns its exit code (sysexits); its docstring is its default message.

    BatchError                       70  a bug, unless a subclass says otherwise
    ├── UsageProblem                 64  the command cannot mean anything, or would spend without consent
    ├── ManifestInvalid              65  the manifest says something that cannot be sent
    ├── InputMissing                 66  a file that was named is not there
    ├── ServiceUnavailable           69  the service did not answer, for long
    ├── CannotCreate                 73  the run directory cannot be made or written
    │   └── RunDirectoryLocked       73  another process is running there
    ├── StorageFailed                74  the disk failed or is full
    ├── StoppedEarly                 75  the same command goes on
    ├── AccountRefused               77  token or balance
    │   └── TokenMissing             77
    └── ConfigurationInvalid         78  settings that contradict one another
        └── StateMismatch            78  the state belongs to another account, API or simulator

Outcomes that a run expects are events (`runner.model`); these errors are for what ends a command.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What the process answers; the official RunComfy CLI uses the same numbers where both have one."""

    DONE = 0
    SOME_FAILED = 1
    SOMETHING_TO_DO = 2
    LIMIT_REACHED = 3
    USAGE = 64
    MANIFEST_INVALID = 65
    INPUT_MISSING = 66
    UNAVAILABLE = 69
    BUG = 70
    CANNOT_CREATE = 73
    IO_ERROR = 74
    STOPPED_EARLY = 75
    NO_PERMISSION = 77
    CONFIGURATION = 78
    INTERRUPTED = 130
    TERMINATED = 143


class BatchError(Exception):
    """Something went wrong that runcomfy-batch did not foresee."""

    exit_code: ExitCode = ExitCode.BUG

    def __init__(self, message: str = "") -> None:
        super().__init__(message or (self.__doc__ or "").strip())

    @property
    def message(self) -> str:
        """What to tell the person: the thing, the place and the remedy."""
        return str(self.args[0])


class UsageProblem(BatchError):
    """The command line asks for something that cannot be done."""

    exit_code = ExitCode.USAGE


class ManifestInvalid(BatchError):
    """The manifest is invalid. Nothing was submitted."""

    exit_code = ExitCode.MANIFEST_INVALID


class InputMissing(BatchError):
    """A file that was named cannot be found or read."""

    exit_code = ExitCode.INPUT_MISSING


class ServiceUnavailable(BatchError):
    """The RunComfy API cannot be reached. The state is saved; the same command goes on."""

    exit_code = ExitCode.UNAVAILABLE


class CannotCreate(BatchError):
    """The run directory cannot be created or written."""

    exit_code = ExitCode.CANNOT_CREATE


class RunDirectoryLocked(CannotCreate):
    """Another process is using this run directory."""


class StorageFailed(BatchError):
    """The disk failed or is full. The state is saved up to the last commit; free space and run again."""

    exit_code = ExitCode.IO_ERROR


class StoppedEarly(BatchError):
    """Stopped early. The state is saved; the same command goes on."""

    exit_code = ExitCode.STOPPED_EARLY


class AccountRefused(BatchError):
    """RunComfy refused the account: the token is not accepted or there is no balance left."""

    exit_code = ExitCode.NO_PERMISSION


class TokenMissing(AccountRefused):
    """No RunComfy token was found."""


class ConfigurationInvalid(BatchError):
    """The settings contradict one another."""

    exit_code = ExitCode.CONFIGURATION


class StateMismatch(ConfigurationInvalid):
    """This run directory belongs to another account or API."""
