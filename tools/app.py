"""The app, its default encoders loading while the server starts: `streamlit run streamlit_app.py`
loads them at the first visit.

python tools/app.py --server.port 8501
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from streamlit.web import cli

from core.services import warm
from core.services.embedding import opening


def main(options: list[str]) -> None:
    warm.start(opening.FIRST_DATASET, opening.FIRST_ENCODERS, opening.FIRST_INDEX)
    cli.main(["run", str(ROOT / "streamlit_app.py"), *options])


if __name__ == "__main__":
    main(sys.argv[1:])
