"""Pages as a person meets them: each one opened first, in a fresh session, without a browser."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(autouse=True)
def fresh_caches(artifacts: Path) -> None:
    """The caches of the pages outlive a session, as they should; a test must not see those of another."""
    st.cache_data.clear()
    st.cache_resource.clear()


@pytest.fixture
def open_page() -> Callable[..., AppTest]:
    def opened(page: str = "", run: bool = True, **params: str) -> AppTest:
        app = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=60)
        if page:
            app.switch_page(f"pages/{page}.py")
        for name, value in params.items():
            app.query_params[name] = value
        return app.run() if run else app

    return opened
