"""What the ledger says of a small corpus with losses at two stages, and its datasheet."""

import io
import json
from html.parser import HTMLParser

import pytest

from stages.__main__ import VERBS
from stages.contract.compute import Recipe, dropped, failed, kept, update_shard
from stages.contract.ledger import iter_ledger, read_ledger, totals
from stages.contract.records import Clip, Sentence
from stages.ledger.__main__ import folders_below, main
from stages.ledger.figures import quantiles
from stages.ledger.table import columns, cut, padded, print_table
from stages.lib.cli import UserError


def song(path, **facts):
    known = {"path": path, "title": path, "language": "en", "split": "train", "n_sentences": 2, "timed": True,
             "sample_rate_hz": 44100, "n_channels": 2, "rms_dbfs": -15.0, "stems": []}  # fmt: skip
    return kept(60.0, {f"{path[0] * 3}.json": b"{}"}, "audio", **known | facts)


def clips(id, durations, **facts):
    files = {}
    for k, duration_s in enumerate(durations):
        clip = Clip(f"{id}-{k:03d}", id, "train", 0.0, duration_s, sentences=(Sentence("la la", 0.5, 2.0),))
        files[f"{clip.id}.json"] = clip.to_json()
    return kept(sum(durations), files, "clips", aligner="given", median_confidence=0.9, **facts)


@pytest.fixture
def data(tmp_path):
    """Seven files in two shards: three kept to the end, one lost in segment, three in ingest."""
    ingest = {
        0: {
            "aaa": song("a.flac", singer="Ann", language="zh"),
            "bbb": song("b 月亮.flac", notes=["6 channels: mixed down", "broken times ignored on 2 of 14 lines"]),
            "ccc": dropped("too short: 1.20 s, less than ingest.min_s 5", path="c.flac"),
            "ddd": dropped("too short: 2.00 s, less than ingest.min_s 5", path="d.flac"),
        },
        1: {
            "eee": failed("the file is empty (0 bytes)", path="e.wav"),
            "fff": song("f.flac"),
            "ggg": song("g.flac", n_sentences=0, timed=False, language=None),
        },
    }
    segment = {
        0: {"aaa": clips("aaa", [10, 20]), "bbb": clips("bbb", [15], dropped_sentences={"low confidence": 2})},
        1: {"fff": dropped("lyrics do not match the singing: 10% of lines found"), "ggg": clips("ggg", [30])},
    }
    for stage, place, shards in (("ingest", "catalogue", ingest), ("segment", "clips", segment)):
        for shard, made in shards.items():
            wanted = dict.fromkeys(made, "x")
            recipe = Recipe(stage, 1, "p")
            update_shard(tmp_path / place, shard, recipe, wanted, lambda ids, made=made: [(id, made[id]) for id in ids])
    return tmp_path


def rows(data, *arguments, capsys):
    assert main(["--data", str(data), *arguments]) == 0
    return capsys.readouterr().out.splitlines()


def test_every_song_has_a_row_and_every_reason_a_total(data, capsys):
    table = [row.split(maxsplit=1) for row in rows(data, capsys=capsys)]
    assert [row[0] for row in table[1:8]] == ["a.flac", "b", "c.flac", "d.flac", "e.wav", "f.flac", "g.flac"]
    text = "\n".join(" ".join(row) for row in table)
    for fragment in (
        "segment kept 6 channels: mixed down",
        "2 songs ingest dropped too short",
        "f.flac segment dropped lyrics do not match",
        "1 songs ingest failed the file is empty",
        "3 songs segment kept 0.02 h of audio",
    ):
        assert " ".join(fragment.split()) in " ".join(text.split()), fragment


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["--outcome", "dropped"], ["c.flac", "d.flac", "f.flac"]),
        (["--outcome", "dropped", "--stage", "ingest"], ["c.flac", "d.flac"]),
        (["--outcome", "kept", "--stage", "ingest"], ["a.flac", "b 月亮.flac", "f.flac", "g.flac"]),
        (["--stage", "segment"], ["a.flac", "b 月亮.flac", "f.flac", "g.flac"]),
        (["--stage", "tokenize"], []),
    ],
)
def test_choices(data, capsys, arguments, names):
    found = [json.loads(row) for row in rows(data, "--jsonl", *arguments, capsys=capsys)]
    assert [line["name"] for line in found] == names


def test_jsonl_carries_every_stage(data, capsys):
    lines = {line["name"]: line for line in map(json.loads, rows(data, "--jsonl", capsys=capsys))}
    assert lines["a.flac"]["stage"] == "segment"
    assert lines["a.flac"]["stages"]["segment"]["facts"]["aligner"] == "given"
    assert (lines["e.wav"]["stage"], lines["e.wav"]["outcome"]) == ("ingest", "failed")


def test_the_ledger_by_shards_is_the_whole_ledger(data):
    folders = folders_below(data)
    by_shards, whole = list(iter_ledger(folders)), read_ledger(folders)
    assert sorted(line.name for line in by_shards) == [line.name for line in whole]
    assert list(totals(by_shards)) == list(totals(whole))
    assert sum(n for *_, n in totals(whole)) == 7


def test_without_a_catalogue(tmp_path):
    with pytest.raises(UserError, match="run `songcreator ingest` first"):
        main(["--data", str(tmp_path)])


def test_wide_characters_keep_columns():
    assert [columns(char) for char in "a月é\u0301"] == [1, 2, 1, 0]
    assert padded("月亮", 6) == "月亮  "
    assert cut("ab月亮cd", 5) == "ab月…"
    assert cut("abc", 5) == "abc"


def test_no_song_is_said(data):
    out = io.StringIO()
    print_table([], None, out)
    assert out.getvalue().endswith("no song\n")


class Page(HTMLParser):
    """Rows of the page's tables, and what it loads."""

    def __init__(self):
        super().__init__()
        self.rows, self.sources, self.inside = [], [], False

    def handle_starttag(self, tag, attributes):
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
        self.inside = self.inside or tag in ("td", "th")
        self.sources += [value for name, value in attributes if name in ("src", "href")]

    def handle_endtag(self, tag):
        self.inside = self.inside and tag not in ("td", "th")

    def handle_data(self, text):
        if self.inside:
            self.rows[-1][-1] += text.strip()


def test_datasheet(data, tmp_path):
    params = tmp_path / "params.yaml"
    params.write_text("ingest: {min_s: 5}\nvae: {width: 3}\n")
    out = tmp_path / "sheet"
    assert main(["--data", str(data), "--datasheet", str(out), "--params", str(params)]) == 0
    text = (out / "index.html").read_text()
    page = Page()
    page.feed(text)
    assert page.sources and all(source.startswith("data:image/png;base64,") for source in page.sources)
    assert ["ingest", "4", "2", "1", "0.07"] in page.rows
    assert ["segment", "3", "1", "0", "0.02"] in page.rows, page.rows[:4]
    assert ["ingest", "dropped", "too short", "2", "c.flac, d.flac"] in page.rows
    assert ["segment", "dropped", "lyrics do not match the singing", "1", "f.flac"] in page.rows
    assert ["low confidence", "2"] in page.rows
    assert ["6 channels: mixed down", "1"] in page.rows
    assert ["broken times ignored on N of N lines", "1"] in page.rows
    assert ["zh", "1", "0.02"] in page.rows
    assert ["ingest.min_s", "5"] in page.rows and not any(row[0].startswith("vae") for row in page.rows)

    figures = json.loads((out / "datasheet.json").read_text())
    assert (figures["n_files"], figures["n_clips"], figures["n_clip_sentences"]) == (7, 4, 4)
    assert figures["groups"]["lyrics"]["none"]["songs"] == 1
    assert figures["groups"]["singer"]["Ann"]["songs"] == 1
    assert figures["quantiles"]["clip length, s"] == {
        "n": 4, "mean": 18.75, "p0": 10, "p10": 10, "p50": 20, "p90": 30, "p100": 30,
    }  # fmt: skip
    assert main(["--data", str(data), "--datasheet", str(out), "--params", str(params)]) == 0
    assert (out / "index.html").read_text() == text


def test_quantiles_of_one():
    assert quantiles([2.0]) == {"n": 1, "mean": 2.0, "p0": 2.0, "p10": 2.0, "p50": 2.0, "p90": 2.0, "p100": 2.0}


def test_the_verb_leads_here():
    assert VERBS["ledger"][0] == main.__module__
