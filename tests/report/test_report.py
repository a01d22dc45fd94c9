"""The page: renders from full and from empty results, escapes what it is given, asks no network for anything, and does
nothing the second time."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import soundfile
from safetensors.numpy import save_file

from stages.contract import provenance
from stages.contract.compute import Recipe, dropped, kept, update_shard
from stages.contract.graph import MODELS
from stages.contract.tasks import TASKS
from stages.lib.audio import encode_flac
from stages.lib.cli import UserError
from stages.report.__main__ import main
from stages.report.curves import Curve, read_curves
from stages.report.gather import count_parameters
from stages.report.meanings import GROUPS, TASK_MEASURES, TASK_WORDS
from stages.report.media import COLOURS, mp3, spectrogram
from stages.report.page import Figures, figure_groups, number

NASTY = "<script>alert('&\"')</script>"


def tone(seconds: float, hz: float = 440.0) -> np.ndarray:
    return (8000 * np.sin(2 * np.pi * hz * np.arange(round(seconds * 44_100)) / 44_100)).astype(np.int16)


def write_project(root: Path, metrics: dict, with_items: bool = True) -> None:
    for name in MODELS:
        (root / "models" / name).mkdir(parents=True)
        (root / "models" / name / "config.json").write_text("{}")
        save_file({"w": np.zeros((3, 5), np.float32)}, root / "models" / name / "model.safetensors")
    plots = root / "models" / "vae" / "plots" / "metrics" / "valid"
    plots.mkdir(parents=True)
    (plots / "loss.tsv").write_text("step\tloss\n" + "".join(f"{s}\t{9 / (s + 1)}\n" for s in range(900)))
    for name in TASKS if with_items else ():
        write_item(root / "generated" / name, name)
    provenance.write(root / "generated", "generate", "k", split="test")
    (root / "metrics.json").write_text(json.dumps(metrics))
    provenance.write(root, "evaluate", "k", "metrics.provenance.json")
    entries = {"aaaa": kept(60.0, {"aaaa.json": b"{}"}, "audio", path="good.flac")}
    entries["bbbb"] = dropped("too short: 0.2 s", path=f"{NASTY}.wav")
    update_shard(
        root / "catalogue", 0, Recipe("ingest", 1, "p"), dict.fromkeys(entries, "d"), lambda ids: entries.items()
    )
    (root / "params.yaml").write_text("report: {curves_points: 50}\n")


def write_item(folder: Path, task: str) -> None:
    row = TASKS[task]
    folder.mkdir(parents=True)
    files: dict[str, dict[str, str]] = {"outputs": {}, "given": {}, "prompts": {}, "truth": {}}
    for k, (kind, streams) in enumerate(
        (("outputs", row.outputs), ("given", row.given), ("prompts", row.prompts), ("truth", row.outputs))
    ):
        for j, stream in enumerate(streams):
            files[kind][stream] = f"aaaa-000.{kind}_{stream}.flac"
            (folder / files[kind][stream]).write_bytes(encode_flac(tone(1.0, 200 + 90 * k + 30 * j)))
    facts = {
        "item": "aaaa-000", "lyrics": [NASTY, "and a second line"] if row.lyrics != "unused" else [],
        "new_lyrics": ["and a second line"], "edit_s": [0.2, 0.6] if row.edit else None,
        "new_s": [0.2, 0.6] if row.edit else [0.0, 1.0], "rtf": 1.5, "duration_s": 1.0, "language": "en",
        "singer": None, "files": files,
    }  # fmt: skip
    (folder / "aaaa-000.json").write_text(json.dumps(facts))


def run(root: Path) -> str:
    folders = ("catalogue", "stems", "clips", "tokens", "latents", "models", "generated")
    places = [f"--{name}={root / name}" for name in folders]
    places += [f"--metrics={root}/metrics.json", f"--out={root}/report", f"--params={root}/params.yaml"]
    assert main(places) == 0
    return (root / "report" / "index.html").read_text()


FULL = {
    "separation": {"si_sdr_db": {"vocals": {"mean": 6.0, "low": 5.0, "high": 7.0, "n": 4}, "accompaniment": None}},
    "dslm": {"nll": {"song": {"ours": 2.0, "bigram": 3.0, "unigram": 4.0}}},
    "tasks": {"lyrics_to_song": {
        "fad": {"mean": 3.2, "low": 3.0, "high": 4.0, "n": 3, "truth": 0.5, "embedding": f"bestrq-{NASTY}"},
        "per": None, "n": 3,
    }},
    "reasons": [{"figure": "separation.si_sdr_db.accompaniment", "reason": f"because {NASTY}"}],
}  # fmt: skip


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    root = tmp_path_factory.mktemp("page")
    write_project(root, FULL)
    return root, run(root)


class Links(HTMLParser):
    """Everything the page refers to, and how its tags nest."""

    VOID = ("meta", "img", "link", "br", "path", "input", "hr")

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.open: list[str] = []
        self.images_without_words: list[str] = []

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.links += [value for key, value in attrs if key in ("src", "href") and value]
        self.ids |= {found["id"]} if "id" in found else set()
        if tag == "img" and not found.get("alt"):
            self.images_without_words.append(found.get("src", ""))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag, f"</{tag}> closes something else"


def parsed(html: str) -> Links:
    parser = Links()
    parser.feed(html)
    assert not parser.open
    return parser


def test_every_link_leads_somewhere_inside_the_folder(project):
    root, html = project
    page = parsed(html)
    assert page.links
    for link in page.links:
        if link.startswith("#"):
            assert link[1:] in page.ids
        else:
            assert not re.match(r"[a-z]+:|/", link) and (root / "report" / link).is_file()
    assert not re.search(r"url\(|@import|https?://", html), "nothing is fetched from anywhere"
    assert not page.images_without_words


def test_every_task_is_there_with_all_its_tracks(project):
    page = parsed(project[1])
    assert set(TASKS) <= page.ids
    n_tracks = sum(2 * len(t.outputs) + len(t.given) + len(t.prompts) for t in TASKS.values())
    assert project[1].count("<audio ") == n_tracks
    assert set(TASK_WORDS) == set(TASKS)


def test_what_comes_from_outside_is_escaped(project):
    html = project[1]
    assert "<script>alert" not in html
    assert html.count("&lt;script&gt;alert") >= 4, "lyrics, a song's name, a reason, an embedding"


def test_figures_stand_in_the_page_and_missing_ones_say_why(project):
    html = project[1]
    for text in ("6 <", "5 to 7, n 4", "truth 0.500", "too short"):
        assert text.replace(" <", "") in html
    assert "because &lt;script" in html
    rows = {row.meaning.name: row for _, _, group in figure_groups(FULL) for row in group}
    assert [r.value for r in rows["dslm.nll.song.ours"].rivals] == ["3", "4"]
    assert rows["dslm.nll.song.ours"].own.share == 50.0
    assert rows["vae.mel_l1"].own.reason == "not measured"


def test_a_rerun_does_nothing_and_stale_tracks_go(project, capsys):
    root, html = project
    page = root / "report"
    stray = page / "audio" / "0000.mp3"
    stray.write_bytes(b"of an earlier page")
    run(root)
    assert "up to date" in capsys.readouterr().err and stray.exists()
    (page / "provenance.json").unlink()
    assert run(root) == html and not stray.exists()


def test_with_nothing_measured_and_nothing_generated_it_still_renders(tmp_path):
    write_project(tmp_path, {}, with_items=False)
    html = run(tmp_path)
    parsed(html)
    assert html.count("Nothing was generated for this task") == len(TASKS)


def test_without_metrics_the_error_names_the_command(tmp_path):
    write_project(tmp_path, {})
    (tmp_path / "metrics.json").unlink()
    with pytest.raises(UserError, match="run `songcreator evaluate` first"):
        run(tmp_path)


def test_curves_are_thinned_to_both_ends_and_drawn_inside_their_box(project):
    curves = read_curves(project[0] / "models" / "vae", 50)
    assert [c.name for c in curves] == ["valid/loss"]
    assert len(curves[0].values) == 50 and curves[0].steps[0] == 0 and curves[0].steps[-1] == 899
    xy = np.array([[float(n) for n in pair.split()] for pair in curves[0].path[1:].split("L")])
    assert xy.min() >= 0 and xy[:, 0].max() <= 280 and xy[:, 1].max() <= 110
    assert xy[0, 1] < xy[-1, 1], "a falling loss goes down the page"
    flat = Curve("flat", (0.0, 1.0), (2.0, 2.0))
    assert "nan" not in flat.path


def test_curves_skip_what_is_no_number(tmp_path):
    folder = tmp_path / "plots" / "metrics"
    folder.mkdir(parents=True)
    (folder / "a.tsv").write_text("step\ta\n0\t1\n1\tnan\n2\t\n3\t4\n")
    (folder / "learning_rate.tsv").write_text("step\tlearning_rate\n0\t1\n1\t2\n")
    assert [c.values for c in read_curves(tmp_path, 10)] == [(1.0, 4.0)]


def test_a_tone_is_a_bright_line_where_it_belongs():
    low, high = (spectrogram(tone(1.0, hz))[:, 30].argmax() for hz in (200, 4000))
    assert high < low, "high notes stand above low ones"
    assert spectrogram(np.zeros(44_100, np.int16)).max() == 0
    assert spectrogram(tone(2.0)).shape == (84, 120) and set(COLOURS) == {"song", "vocals", "accompaniment"}


def test_mp3_is_the_sound(tmp_path):
    path = tmp_path / "x.mp3"
    path.write_bytes(mp3(tone(2.0), 0.6))
    y, rate_hz = soundfile.read(path)
    assert rate_hz == 44_100 and abs(len(y) - 2 * 44_100) < 0.1 * 44_100
    spectrum = np.abs(np.fft.rfft(y[20_000:60_000]))
    assert np.fft.rfftfreq(40_000, 1 / 44_100)[spectrum.argmax()] == pytest.approx(440, abs=2)


def test_parameters_are_counted_from_the_file(tmp_path):
    save_file({"a": np.zeros((4, 6)), "b": np.zeros(5), "c": np.array(1.0)}, tmp_path / "m.safetensors")
    assert count_parameters(tmp_path / "m.safetensors") == 4 * 6 + 5 + 1


@pytest.mark.parametrize(
    "value, text",
    [(0.0123456, "0.0123"), (3.14159, "3.14"), (12.345, "12.3"), (123.4, "123"), (45678.9, "45,679"), (5.0, "5"),
     (-2.5, "\N{MINUS SIGN}2.50"), (0.0, "0"), (0.00001234, "1.2e\N{MINUS SIGN}05")],
)  # fmt: skip
def test_numbers(value, text):
    assert number(value) == text


def test_every_figure_of_the_design_has_a_meaning():
    """What DESIGN lists for metrics.json, by group; task measures are the task table's."""
    names = {n for _, _, rows in GROUPS for m in rows for n in (m.name, *(rival for _, rival in m.rivals))}
    stems, streams = ("vocals", "accompaniment"), ("song", "vocals", "accompaniment")
    wanted = {f"separation.{f}.{s}" for f in ("si_sdr_db", "si_sdr_improvement_db") for s in stems}
    wanted |= {f"segment.{f}" for f in ("n_clips", "mean_s", "max_s", "sentences_cut", "boundary_error_median_s")}
    wanted |= {"tokens.codebook_used_fraction", "tokens.perplexity", "vae.mel_l1", "vae.stft_distance", "vae.si_sdr_db"}
    probes, rivals = ("phoneme", "pitch", "chord"), ("ours", "logmel_kmeans", "chance")
    wanted |= {f"tokens.probe.{p}.{r}" for p in probes for r in rivals}
    wanted |= {"vae.griffin_lim.mel_l1", "diffusion.mel_l1_true_tokens", "diffusion.mel_l1_shuffled_tokens"}
    wanted |= {"diffusion.pitch_error_cents_true_tokens", "diffusion.rtf"}
    wanted |= {f"dslm.nll.{s}.{w}" for s in streams for w in ("ours", "bigram", "unigram")}
    assert names == wanted
    assert {m.name for m in TASK_MEASURES} == {m for task in TASKS.values() for m in task.metrics}
    assert Figures({"a": {"b": 0}}).raw("a.b") == 0
