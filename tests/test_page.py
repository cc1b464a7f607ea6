"""Names that people choose are shown in reports as they are, and run nothing."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ser_edge import Bundle
from ser_edge_export.model_card import model_card
from ser_edge_train.page import html_page
from ser_edge_train.plots import plot_speakers
from ser_edge_train.predictions import Predictions
from ser_edge_train.report import write_report
from ser_edge_train.summary import Summary
from ser_edge_train.tables import markdown_table, plain

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "![x](/etc/x.png)",
    "[a](javascript:alert(1))",
    "</title><script>",
    "a|b|c",
    "*a* __b__ ~~c~~ `d`",
    "&lt;b&gt;",
    "back\\slash\\",
    "two\nlines",
    "<!-- a -->",
    "<https://example.org>",
]


class Elements(HTMLParser):
    """Collects the elements of a page, and the text of its body."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.text = ""
        self.feed(page.partition("</head>")[2])

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.names.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def shown(markdown: str, folder: Path) -> Elements:
    return Elements(html_page(markdown, folder))


@pytest.mark.parametrize("text", HOSTILE)
def test_html_of_a_report_is_text(text: str, tmp_path: Path) -> None:
    page = html_page(f"# {plain(text)}\n\n{markdown_table(['a'], [[plain(text)]])}\n", tmp_path)
    elements = Elements(page)
    assert elements.names == "body h1 table thead tr th tbody tr td".split()
    assert elements.text.split() == f"{text} a {text}".split()
    assert "<script" not in page
    [title] = re.findall("<title>(.*?)</title>", page)
    assert html.unescape(title).split() == text.split()


@given(st.text(st.sampled_from("a1 <>&\"'`*_[](){}!|#~\\:/\n$"), min_size=1, max_size=30))
def test_any_name_is_shown_as_it_is(text: str) -> None:
    markdown = f"# a {plain(text)} b\n\nx **y {plain(text)} z**.\n\n- Note {plain(text)}.\n"
    table = markdown_table(["n", "o"], [(plain(text), 1)])
    elements = shown(f"{markdown}\n{table}\n", Path())
    assert not set(elements.names) - {*"body h1 p strong ul li table thead tbody tr th td".split()}
    expected = f"a {text} b x y {text} z. Note {text}. n o {text} 1"
    assert "".join(elements.text.split()) == "".join(expected.split())


@pytest.mark.parametrize("markdown", ["<script>alert(1)</script>", "a <b>c</b>", "<img src=x>"])
def test_html_in_markdown_is_text(markdown: str, tmp_path: Path) -> None:
    assert set(shown(markdown, tmp_path).names) <= {"body", "p"}


def test_what_only_other_renderers_know_is_escaped_too() -> None:
    assert plain("~~calls~~") == r"\~\~calls\~\~"


def test_a_dollar_in_a_name_is_no_mathematics(tmp_path: Path) -> None:
    for number, name in enumerate(("a$b$", "a$\\nosuch$")):
        path = tmp_path / f"{number}.png"
        plot_speakers(path, {name: 0.5, "b": 0.7})
        assert path.stat().st_size


def summary_of(text: str, about: dict[str, Any]) -> Summary:
    """Make the summary of a run whose data has this text as every name."""
    [corpus, *_] = about["corpora"].values()
    protocol = {**about["protocol"], "notes": [f"Left out: {text}."], "test_corpus": text}
    about = {**about, "protocol": {**protocol, "name": "corpus"}}
    about["corpora"] = {text: {**corpus, "licence": text}}
    settings = SimpleNamespace(about=about, recipe=SimpleNamespace(name="edge"), temperature=1.0)
    run: Any = SimpleNamespace(settings=settings)
    predictions = Predictions(
        y_true=np.array([0, 1, 0, 1]),
        speakers=np.array([f"{text}/a", f"{text}/b"] * 2),
        corpora=np.array([text, "all"] * 2),
        seconds=np.ones(4),
        probabilities=np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.7, 0.3]]),
    )
    return Summary(text, ("angry", "sad"), (run,), (predictions,), (predictions,))


@pytest.mark.parametrize("text", ["<script>a|`b</script>", "![x](/etc/x.png)"])
def test_a_report_and_a_model_card_show_every_name_as_text(
    text: str, tmp_path: Path, bundle_dir: Path
) -> None:
    manifest = Bundle.open(bundle_dir).manifest
    summary = summary_of(text, dict(manifest.about))
    write_report(tmp_path, [summary, replace(summary, name=f"{text} again")])
    page = (tmp_path / "report.html").read_text("utf-8")
    about = {**manifest.about, **summary.runs[0].settings.about, "licence": text}
    card = model_card(replace(manifest, name=text, about=about), [])
    known = "body h1 h2 p strong code pre em ul li table thead tbody tr th td img".split()
    words = "".join(text.split())
    for elements, count in ((Elements(page), 14), (shown(card, tmp_path), 6)):
        assert set(elements.names) <= set(known)
        assert "".join(elements.text.split()).count(words) >= count
    assert page.count("data:image/png;base64,") == page.count("<img") == 2 + 2 * 4


def test_a_corpus_of_the_name_all_has_a_row_of_its_own(bundle_dir: Path) -> None:
    summary = summary_of("mine", dict(Bundle.open(bundle_dir).manifest.about))
    scores = summary.scores
    assert scores["all"].n_clips == 4
    assert scores["corpus all"].n_clips == scores["mine"].n_clips == 2
