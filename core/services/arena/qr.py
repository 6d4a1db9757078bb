"""The address of a room as a QR code, drawn here: no service is asked."""

import io


def svg(address: str, scale: int = 6) -> str:
    """An SVG of the QR code, dark on light for cameras; ``address`` at most 800 characters."""
    import segno

    out = io.BytesIO()
    made = segno.make(address[:800], error="m", micro=False)
    made.save(out, kind="svg", scale=scale, border=2, xmldecl=False, svgns=True, light="#fff")
    return out.getvalue().decode()
