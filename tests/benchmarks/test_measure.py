"""What a benchmark's result says must follow from its values."""

from __future__ import annotations

import json

import pytest

from benchmarks.measure import Report, write


def test_a_target_is_met_by_the_median_and_not_by_the_luckiest():
    report = Report()
    series = report.series("ring", delay_ms=0, target=10.0)
    series.values += [1, 12, 13]
    assert report.verdict(series) == "missed"
    series.values += [2, 3]
    assert report.verdict(series) == "met"
    assert (series.median, series.worst) == (3, 13)


def test_a_ratio_is_taken_at_the_same_delay():
    report = Report()
    for delay, bare, ours in ((0, 10, 5), (40, 100, 300)):
        report.series("bare", delay_ms=delay).values.append(bare)
        series = report.series("ours", delay_ms=delay, floor="bare", floor_ratio=1.2)
        series.values.append(ours)
    assert report.ratio(report.get("ours", 0)) == 0.5
    assert report.verdict(report.get("ours", 0)) == "met"
    assert report.ratio(report.get("ours", 40)) == 3
    assert report.verdict(report.get("ours", 40)) == "missed"


def test_what_failed_or_has_no_floor_is_never_called_met():
    report = Report()
    failed = report.series("ring", target=10.0)
    failed.failures.append("nobody answered")
    assert report.verdict(failed) == "failed"
    alone = report.series("ours", floor="bare", floor_ratio=1.2)
    alone.values.append(1)
    assert report.verdict(alone) == ""
    assert report.ratio(alone) is None


@pytest.mark.real
def test_the_table_and_the_file_hold_every_series_and_note(tmp_path):
    report = Report()
    report.series("bare", delay_ms=0).values.append(2)
    report.series("ours", delay_ms=0, target=3.0, floor="bare").values.append(4)
    report.series("ours", delay_ms=40, target=80.0, floor="bare").values.append(70)
    report.series("cpu", "%", target=1.0).values.append(0.5)
    report.note("FAILED: the other half")
    assert report.table().splitlines()[2:5] == [
        "| bare | 2.00 ms |  |  |  |",
        "| ours | 4.00 ms ✗ | 70.0 ms ✓ | 3.00 / 80.0 | 2.00 |",
        "| cpu | 0.50 % ✓ |  | 1.00 |  |",
    ]
    assert "FAILED: the other half" in report.table()
    write(report, {"quick": True}, tmp_path / "out" / "run.json")
    kept = json.loads((tmp_path / "out" / "run.json").read_text())
    assert [(s["name"], s["values"], s["verdict"]) for s in kept["series"]] == [
        ("bare", [2], ""),
        ("ours", [4], "missed"),
        ("ours", [70], "met"),
        ("cpu", [0.5], "met"),
    ]
    assert kept["options"] == {"quick": True}
