"""Every way the station refuses, as one tree.

What it is: the exceptions that cross a module's border. What it is not: reasons of a verdict (those are
`types.Reason`; trouble with one part never raises out of the line). Any thread.

    StationError                 exit code 1 when it ends a command
    +-- UsageError               exit code 2: bad input from a person
    |   +-- ConfigError          a key, value or file of station.toml / recipe.toml
    |   +-- ImageError           a picture that cannot be read or used
    |   +-- DatasetError         a folder of pictures that cannot be taught or evaluated from
    |   +-- AccountError         an account, role or PIN that cannot be had as asked
    +-- ModelError               a model folder that must not be run
    +-- CameraError              the source failed for good, or was used wrongly
    |   +-- FrameTimeout         no frame in time
    |   +-- CameraLost           the source is gone; reopening may help
    +-- ControllerError          the reject controller refuses, is gone, or speaks another protocol
    +-- StoreError               the record store cannot be opened or written
    |   +-- StoreBusy            another station writes to it
    |   +-- StoreTooNew          written by a newer version
    +-- LinkError                line and web cannot talk

Each message names the thing, the value found, the value wanted and the file, in one line.
"""


class StationError(Exception):
    """Base of all of them."""


class UsageError(StationError):
    """Bad input from a person: exit code 2."""


class ConfigError(UsageError):
    """A configuration file, key or value that cannot be used."""


class ImageError(UsageError):
    """A picture that cannot be read, or is not what was asked for."""


class DatasetError(UsageError):
    """A folder of pictures that cannot be taught or evaluated from."""


class AccountError(UsageError):
    """An account, role, PIN or password that cannot be had as asked."""


class ModelError(StationError):
    """A model folder that must not be run: missing or wrong file, hash, shape, reference output."""


class CameraError(StationError):
    """The camera failed for good, or was used against its contract."""


class FrameTimeout(CameraError):
    """No frame arrived in the time given."""


class CameraLost(CameraError):
    """The source is gone (unplugged, end of stream, stalled); reopening may bring it back."""


class ControllerError(StationError):
    """The reject controller refuses, is gone, or speaks another protocol version."""


class StoreError(StationError):
    """The record store cannot be opened, read or written."""


class StoreBusy(StoreError):
    """Another station holds this store."""


class StoreTooNew(StoreError):
    """The store was written by a newer version of the station."""


class LinkError(StationError):
    """Line process and web process cannot talk."""
