"""What waits on disk."""

from pathlib import Path

from gaitlab.tracking.spool import Point, Spool


def test_a_table_that_is_replaced_while_it_is_sent_stays(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    spool.put("tables/a.json", b"old")
    spool.put("b.md", b"b")
    sent = []

    def send(file: Path, path: Path) -> bool:
        sent.append((path.as_posix(), file.read_bytes()))
        if len(sent) == 2:
            spool.put("tables/a.json", b"new")
        return True

    spool.hand_over(send)
    spool.remove_if_empty()
    assert spool.read("tables/a.json") == b"new"
    spool.hand_over(send)
    assert sent == [("b.md", b"b"), ("tables/a.json", b"old"), ("tables/a.json", b"new")]
    spool.remove_if_empty()
    assert not spool.folder.exists()


def test_points_come_back_as_they_went(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    points = [Point("loss", 0.1, 3, 5), Point("rank1", 79.0, 0, 6, final=True), Point("nan", float("inf"), 1, 7)]
    spool.add(points[:1])
    spool.add(points[1:])
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"key": "loss", "val')  # as a killed process leaves it
    assert list(Spool(tmp_path).points()) == points
    spool.add(points[:2])
    assert list(spool.points()) == points + points[:2]
    spool.clear_points()
    assert list(spool.points()) == []
