"""Lists of names in one line of text: on the command line, and in a link."""

from __future__ import annotations


def split_names(text: str) -> list[str]:
    """``a,b,c`` -> its parts. Commas inside options (``resnet50:pool=gem,size=288``) stay with their name."""
    parts: list[str] = []
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        if parts and ":" in parts[-1] and "=" in part and ":" not in part and "." not in part.split("=")[0]:
            parts[-1] += f",{part}"
        else:
            parts.append(part)
    return parts
