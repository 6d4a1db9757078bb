"""Home: one example already answered, what is in the gallery, doors to the pages."""

from pages.parts import answers, home
from pages.parts.guard import run
from pages.parts.shell import shell


def main() -> None:
    shell(
        "Home",
        "Which encoder finds what you mean? One picture, many encoders, side by side.",
        title="Lookalike",
    )
    home.own()
    view, gathered = home.example()
    home.gallery()
    home.doors()
    answers.finish(view, gathered)


run(main, "Home")
