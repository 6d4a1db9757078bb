"""Lists of names in one line of text: on the command line, and in a link."""


def split_names(text: str) -> list[str]:
    """``a,b,c`` -> its parts. Commas inside options (``resnet50:pool=gem,size=288``) stay with
    their name.

    So do the parts of a faiss factory string (``factory:IVF64,PQ16``), which begin with a capital
    letter, as no name does.
    """
    parts: list[str] = []
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        if parts and (_of_factory(parts[-1], part) or _option(parts[-1], part)):
            parts[-1] += f",{part}"
        else:
            parts.append(part)
    return parts


def _of_factory(name: str, part: str) -> bool:
    return name.startswith("factory:") and (part[0].isupper() or "=" in part)


def _option(name: str, part: str) -> bool:
    return ":" in name and "=" in part and ":" not in part and "." not in part.split("=")[0]
