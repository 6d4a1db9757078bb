"""From pictures to a report: evaluated once, resumed, the same for every program that reads it."""

from __future__ import annotations

import csv
import io
import json
import shutil
import tracemalloc

import numpy as np
import pytest

from core.cli.main import main
from core.errors import Cancelled, UserError
from core.metrics import stream
from core.services.evaluation import cells, report_files
from core.services.evaluation import evaluate as evaluation
from core.services.evaluation.evaluate import evaluate
from core.services.evaluation.leaderboard import (
    leaderboard,
    means_of,
    method,
    pairs_of,
    separate,
    worst,
)
from core.services.evaluation.reports import Report
from core.services.library import library
from core.services.specs import index_spec

ENCODERS = ["hsv.12x4x4", "tiny.16x16"]


@pytest.fixture
def dataset(pictures):
    return library.open_dataset(str(pictures), fresh=True)


@pytest.fixture
def report(dataset):
    return evaluate("small", [dataset], ENCODERS, timed=False)


def by_hand(dataset, encoder: str) -> dict[str, float]:
    """mAP and hit@1 written out with loops, from the embeddings alone."""
    from core.services.embedding import stored
    from core.services.embedding.bound import prepared

    found = stored.read(dataset, prepared(dataset, encoder).loaded())
    labels = [dataset.items[dataset.rows[id]].label for id in found.ids]
    vectors = found.vectors.astype(np.float64)
    precisions, first = [], []
    for q, query in enumerate(vectors):
        others = [i for i in range(len(vectors)) if i != q]
        order = sorted(
            others, key=lambda i, query=query: (-np.float32(query @ vectors[i]), found.ids[i])
        )
        hits = [labels[i] == labels[q] for i in order]
        precisions.append(
            np.sum([sum(hits[: i + 1]) / (i + 1) for i, hit in enumerate(hits) if hit]) / sum(hits)
        )
        first.append(hits[0])
    return {"mAP": float(np.mean(precisions)), "hit@1": float(np.mean(first))}


def test_figures_are_those_worked_by_hand(dataset, report):
    for cell, means in zip(report.cells, report.means, strict=True):
        expected = by_hand(dataset, cell.encoder)
        assert means["mAP"] == pytest.approx(expected["mAP"], abs=1e-12)
        assert means["hit@1"] == expected["hit@1"]
        assert (len(cell.queries), int((~cell.evaluated).sum())) == (12, 0)


def test_trec_files_give_the_same_figures_in_trec_eval(dataset, report):
    import pytrec_eval

    for cell, means in zip(report.cells, report.means, strict=True):
        qrels, run = {}, {}
        for line in report_files.trec_qrels(dataset, cell.encoder):
            query, _, name, grade = line.split()
            qrels.setdefault(query, {})[name] = int(grade)
        for line in report_files.trec_run(dataset, cell.encoder):
            query, _, name, _, score, _ = line.split()
            run.setdefault(query, {})[name] = float(score)
        evaluated = pytrec_eval.RelevanceEvaluator(
            qrels, {"map", "recip_rank", "P.10", "ndcg_cut.10"}
        ).evaluate(run)
        for ours, theirs in {
            "mAP": "map",
            "MRR": "recip_rank",
            "precision@10": "P_10",
            "nDCG@10": "ndcg_cut_10",
        }.items():
            assert means[ours] == pytest.approx(
                np.mean([row[theirs] for row in evaluated.values()]), abs=1e-9
            )


def test_names_with_spaces_stay_one_word():
    assert report_files._word("a b%\n.jpg") == "a%20b%25%0A.jpg"


def test_what_is_judged_is_not_judged_again(dataset, report, monkeypatch):
    monkeypatch.setattr(stream, "evaluate", lambda *a, **b: pytest.fail("evaluated again"))
    again = evaluate("small", [dataset], ENCODERS, timed=False)
    assert again.means == report.means


def test_a_stopped_evaluation_goes_on(dataset, monkeypatch):
    with pytest.raises(Cancelled):
        evaluate("small", [dataset], ENCODERS, timed=False, progress=lambda done, total: done < 1)
    evaluated = []
    real = stream.evaluate
    monkeypatch.setattr(stream, "evaluate", lambda *a, **b: evaluated.append(1) or real(*a, **b))
    evaluate("small", [dataset], ENCODERS, timed=False)
    assert len(evaluated) == 1


def test_what_cannot_be_judged_is_left_out_and_named(dataset, monkeypatch, tmp_path):
    real = evaluation.build.build

    def broken(of, encoders, **more):
        if "tiny.16x16" in encoders:
            raise UserError("No vectors for this.")
        return real(of, encoders, **more)

    monkeypatch.setattr(evaluation.build, "build", broken)
    report = evaluate("small", [dataset], ENCODERS, timed=False)
    assert [cell.encoder for cell in report.cells] == ["hsv.12x4x4"]
    assert report.left_out == ("tiny.16x16 on pictures: No vectors for this.",)
    assert Report.load(report.save(tmp_path / "kept")).left_out == report.left_out
    with pytest.raises(UserError, match="No vectors for this"):
        evaluate("small", [dataset], ["tiny.16x16"], timed=False)
    with pytest.raises(UserError, match="nobody"):
        evaluate("small", [dataset], [*ENCODERS, "nobody"], timed=False)


def test_other_labels_are_another_cell(pictures, dataset, report):
    shutil.move(pictures / "warm" / "0.png", pictures / "cold" / "9.png")
    changed = evaluate(
        "small", [library.open_dataset(str(pictures), fresh=True)], ENCODERS, timed=False
    )
    assert changed.cells[0].card["dataset hash"] != report.cells[0].card["dataset hash"]
    assert changed.means[0]["mAP"] != report.means[0]["mAP"]


def test_save_and_load_are_one(report, tmp_path):
    loaded = Report.load(report.save(tmp_path / "whole"))
    assert loaded.means == report.means
    assert loaded.class_means == report.class_means
    for before, after in zip(report.cells, loaded.cells, strict=True):
        assert after.card == json.loads(json.dumps(before.card))
        assert after.queries.tolist() == before.queries.tolist()
        for name, values in before.scores.items():
            np.testing.assert_allclose(after.scores[name], values, rtol=1e-6)
        for group in before.classes():
            ten = before.scores["precision@10"][before.groups == group].mean()
            assert before.curves_of(group)["precision@K"][9] == pytest.approx(ten)
            np.testing.assert_allclose(
                after.curves_of(group)["recall@K"], before.curves_of(group)["recall@K"], atol=6e-4
            )
    small = Report.load(report.save(tmp_path / "small", small=True))
    assert small.means == report.means
    np.testing.assert_allclose(
        small.cells[0].scores["mAP"].mean(), report.means[0]["mAP"], atol=5e-4
    )


def test_a_damaged_report_says_so(report, tmp_path):
    folder = report.save(tmp_path / "r")
    whole = (folder / "scores.npz").read_bytes()
    for damage in (b"", whole[: len(whole) // 2], b"PK nonsense"):
        (folder / "scores.npz").write_bytes(damage)
        with pytest.raises(UserError, match="can't be read"):
            Report.load(folder)
    noted = json.loads((folder / "report.json").read_text())
    (folder / "scores.npz").write_bytes(whole)
    noted["rows"][0]["arrays"] = "q9"
    (folder / "report.json").write_text(json.dumps(noted))
    with pytest.raises(UserError, match="can't be read"):
        Report.load(folder)


def test_every_number_has_its_protocol_beside_it(report):
    wanted = {
        "dataset",
        "dataset hash",
        "relevant",
        "gallery",
        "queries",
        "self",
        "junk",
        "ties",
        "image size",
        "pooling",
        "normalisation",
        "seed",
        "versions",
        "hardware",
        "date",
        "index",
    }
    for cell in report.cells:
        assert wanted <= set(cell.card)
        assert all(cell.card[name] not in ("", None) for name in wanted)


def test_without_labels_it_says_why(tmp_path, pictures):
    flat = tmp_path / "flat"
    flat.mkdir()
    for path in pictures.rglob("*.png"):
        shutil.copy(path, flat / f"{path.parent.name}-{path.name}")
    report = evaluate(
        "flat", [library.open_dataset(str(flat), fresh=True)], ["tiny.16x16"], timed=False
    )
    assert report.means[0]["mAP"] is None
    with pytest.raises(UserError, match=r"(?s)None of the 12 queries.*without labels"):
        leaderboard(report, *report.cells[0].name[:2])
    assert Report.load(report.save()).means[0]["mAP"] is None


def test_every_pair_is_reported_with_how_it_was_tested(report):
    board = leaderboard(report, *report.cells[0].name[:2])
    (pair,) = pairs_of(board)
    best, other = board.standings
    assert pair["one"] == [best.encoder, "exact"]
    assert pair["difference"] == best.mean - other.mean >= 0
    assert pair["p"] == board.adjusted[0, 1] == other.p_to_best
    said = method(board)
    assert "4,000 resamples of 12 queries" in said["intervals"]
    assert "all 2^12 sign patterns" in said["ranks"]
    assert "Holm over all 1 pairs" in said["ranks"]
    assert means_of(report, *report.cells[0].name[:2], "mAP") == {
        (s.encoder, s.index): s.mean for s in board.standings
    }


def test_any_attribute_can_be_what_is_relevant(tmp_path, pictures):
    rows = ["path,shade,who"]
    for number, path in enumerate(sorted(pictures.rglob("*.png"))):
        rows.append(f"{path},{'dark' if number % 3 else 'light'},{number // 2}")
    (tmp_path / "list.csv").write_text("\n".join(rows))
    dataset = library.open_dataset(str(tmp_path / "list.csv"), fresh=True)
    report = evaluate("shades", [dataset], ["tiny.16x16"], protocols=["by:shade"], timed=False)
    (cell,) = report.cells
    assert cell.protocol == "by:shade"
    assert sorted(cell.relevant.tolist()) == [3] * 4 + [7] * 8
    assert "same shade" in cell.card["relevant"]
    with pytest.raises(UserError, match="shade"):
        evaluate("shades", [dataset], ["tiny.16x16"], protocols=["by:nothing"], timed=False)


def test_separating_and_worst_queries(report):
    dataset, protocol = report.cells[0].name[:2]
    found = separate(report, dataset, protocol, *ENCODERS)
    assert found.wins + found.ties + found.losses == 12 == len(found.ids)
    assert (np.diff(found.differences) <= 0).all()
    back = separate(report, dataset, protocol, *reversed(ENCODERS))
    assert (back.wins, back.losses, back.p) == (found.losses, found.wins, found.p)
    lowest = worst(report, dataset, protocol, ENCODERS[0], count=3)
    assert len(lowest) == 3
    assert lowest[0][1] == report.cells[0].scores["mAP"].min()


def test_an_approximate_index_is_judged_with_its_own_recall(dataset):
    report = evaluate(
        "indexes", [dataset], ["tiny.16x16"], ["exact", "flat", "hnsw:efSearch=64"], timed=False
    )
    exact, flat, hnsw = report.cells
    assert [cell.index for cell in report.cells] == ["exact", "flat", "hnsw:efSearch=64"]
    assert flat.scores["mAP"].tolist() == exact.scores["mAP"].tolist()
    assert hnsw.scores["index recall@10"].mean() == 1.0  # 12 pictures: the graph holds them all
    assert "mAP" not in hnsw.scores  # its answer ends after 100 hits
    assert hnsw.scores["hit@1"].tolist() == exact.scores["hit@1"].tolist()
    assert hnsw.scores["nDCG@10"].tolist() == pytest.approx(exact.scores["nDCG@10"].tolist())
    assert main(["report", "--name", report.save().name]) == 0


@pytest.mark.parametrize(
    "text",
    ["hnsw:efSearch", "hnsw:nope=1", "hnsw:efSearch=-3", "hnsw:efSearch=ten", "nope", "exact:M=2"],
)
def test_a_wrong_index_is_refused(text):
    with pytest.raises(UserError):
        index_spec(text)


def test_latency_is_counted_and_kept(dataset, monkeypatch):
    report = evaluate("timed", [dataset], ["tiny.16x16"])
    times = report.cells[0].latency
    for stage in ("decode", "preprocess", "encode", "search", "total"):
        assert (
            0
            < times[stage]["single"]["p50"]
            <= times[stage]["single"]["p95"]
            <= times[stage]["single"]["p99"]
        )
        assert times[stage]["single"]["runs"] >= 12
    assert times["encode"]["batch"]["size"] == 32
    assert times["build"]["vector_bytes"] == 4 * 768
    assert times["build"]["pictures"] == 12
    assert evaluate("timed", [dataset], ["tiny.16x16"]).cells[0].latency == times


def test_memory_stays_flat_however_large_the_gallery():
    """The peak over 64 queries and over 512 is the same: 50,000 x 50,000 needs no more than its
    vectors and one block."""
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((30_000, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    peaks = []
    for count in (128, 512):
        roles = stream.Roles(
            np.arange(30_000),
            np.arange(count),
            rng.integers(0, 300, 30_000),
            -1 - np.arange(30_000),
        )
        tracemalloc.start()
        stream.evaluate(stream.blocks(vectors, roles, 10))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.1 * peaks[0]
    assert peaks[1] < 300e6


def test_command_line(pictures, capsys):
    assert (
        main(
            [
                "evaluate",
                "--datasets",
                str(pictures),
                "--encoders",
                ",".join(ENCODERS),
                "--no-latency",
                "--json",
            ]
        )
        == 0
    )
    said = json.loads(capsys.readouterr().out)
    assert {row["encoder"] for row in said["rows"]} == set(ENCODERS)
    assert said["leaderboards"][0]["queries"] == 12
    assert {s["encoder"] for s in said["leaderboards"][0]["standings"]} == set(ENCODERS)
    assert main(["report", "--name", "latest", "--latex", f"{pictures.name}/class"]) == 0
    assert r"\toprule" in capsys.readouterr().out
    assert main(["report", "--name", "latest", "--csv"]) == 0
    assert (
        capsys.readouterr()
        .out.splitlines()[0]
        .startswith("dataset,protocol,encoder,index,queries,unjudged")
    )
    assert main(["report", "--name", "latest", "--scores", f"{pictures.name}/class"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert len(rows) == 12 * len(ENCODERS)
    for made in said["rows"]:
        own = [float(row["mAP"]) for row in rows if row["encoder"] == made["encoder"]]
        assert np.mean(own) == pytest.approx(made["mAP"], abs=1e-5)
    assert main(["report", "--name", "no-such"]) == 1
    assert "latest" in capsys.readouterr().err
    assert (
        main(
            [
                "evaluate",
                "--datasets",
                str(pictures),
                "--encoders",
                "tiny.16x16",
                "--protocols",
                "nope",
            ]
        )
        == 1
    )


def test_a_baseline_on_real_photographs(photographs):
    """The first baselines on real photographs: HSV histogram, every fourth picture of eth80 a
    query."""
    from core.services.embedding.build import build

    dataset = library.open_dataset(str(photographs / "eth80"))
    build(dataset, ["hsv.12x4x4"])
    means = cells.cell(
        dataset, "hsv.12x4x4", dataset.protocol("instance-every-4"), index_spec("exact")
    ).means()
    assert means["mAP"] == pytest.approx(0.374, abs=0.005)
    assert means["hit@1"] == pytest.approx(0.921, abs=0.005)
    assert means["precision@10"] == pytest.approx(0.674, abs=0.005)
