"""What Streamlit makes anew in every run of every page, made once or not at all: a tenth of what
the pages of 20 visitors take of Python, which one thread at a time can run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from streamlit import config
from streamlit.proto.NewSession_pb2 import CustomThemeConfig
from streamlit.runtime import app_session
from streamlit.runtime.state import SafeSessionState

THEME, STATE = "_populate_theme_msg", "filtered_state"
Fill = Callable[[CustomThemeConfig, str], None]


def begin() -> None:
    """From now on, in this process; a second call changes nothing."""
    fill = getattr(app_session, THEME)
    if not isinstance(fill, _Theme):
        setattr(app_session, THEME, _Theme(fill))
    every = vars(SafeSessionState)[STATE]
    if every.fget is not _State:
        _State.every = every.fget
        setattr(SafeSessionState, STATE, property(_State))


class _Theme:
    """Fills in a section of the theme, which each run sends along: read from the settings once, and
    again when they have been read anew."""

    def __init__(self, fill: Fill) -> None:
        self._fill = fill
        self._settings: object = None
        self._known: dict[str, CustomThemeConfig] = {}

    def __call__(self, message: CustomThemeConfig, section: str = "theme") -> None:
        if self._settings is not (now := config.get_config_options()):
            self._settings, self._known = now, {}
        if section not in self._known:
            self._known[section] = made = CustomThemeConfig()
            self._fill(made, section)
        if self._known[section].ByteSize():  # nothing is said of a section without settings
            message.MergeFrom(self._known[section])


class _State(Mapping[str, Any]):
    """A session's values by key. Each select box and each field asks for all, and looks at its
    own."""

    every: Callable[[SafeSessionState], dict[str, Any]]

    def __init__(self, state: SafeSessionState) -> None:
        self._state = state

    def __getitem__(self, key: str) -> Any:
        with self._state._lock:
            return self._state._state[key]

    def __iter__(self) -> Iterator[str]:
        return iter(_State.every(self._state))

    def __len__(self) -> int:
        return len(_State.every(self._state))
