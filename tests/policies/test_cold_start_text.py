from dataclasses import replace

from policies.cold_start_text import expected, measured, stages
from policies.supply import ColdStart, Stage, StageName

IMAGE, WEIGHTS = StageName.IMAGE, StageName.WEIGHTS
SERIAL = ColdStart(Stage(62, 90), Stage(185, 300), Stage(60, 150), Stage(149, 210), gpu=Stage(37, 110))


def test_one_after_another() -> None:
    assert (
        stages(SERIAL)
        == "node 1 min 2 s, then GPU driver 37 s, then image 3 min 5 s, then weights 1 min, then warm-up 2 min 29 s"
    )
    assert (
        stages(replace(SERIAL, gpu=None, weights=None))
        == "node 1 min 2 s, then image 3 min 5 s, then warm-up 2 min 29 s"
    )


def test_side_by_side() -> None:
    image = replace(SERIAL, ahead=(IMAGE,))
    assert stages(image) == (
        "node 1 min 2 s, then image 3 min 5 s while the GPU driver starts, then weights 1 min, then warm-up 2 min 29 s"
    )
    assert stages(replace(image, ahead=(IMAGE, WEIGHTS))) == (
        "node 1 min 2 s, then image 3 min 5 s while weights are fetched and the GPU driver starts, then warm-up 2 min 29 s"
    )
    assert stages(replace(SERIAL, ahead=(WEIGHTS,))) == (
        "node 1 min 2 s, then GPU driver 37 s, image 3 min 5 s while weights are fetched, then warm-up 2 min 29 s"
    )
    assert stages(replace(image, image=Stage(10, 20))) == (
        "node 1 min 2 s, then GPU driver 37 s while the image is pulled, then weights 1 min, then warm-up 2 min 29 s"
    )
    assert stages(replace(image, gpu=None)) == (
        "node 1 min 2 s, then image 3 min 5 s, then weights 1 min, then warm-up 2 min 29 s"
    )


def test_the_whole_sentence() -> None:
    given = replace(SERIAL, image=Stage(230, 330))
    assert measured(SERIAL, given).startswith("A replica takes 8 min ")
    assert "in 19 of 20 starts: node 1 min 2 s, then" in measured(SERIAL, given)
    assert "; spec.coldStart or the profile expects 9 min " in measured(SERIAL, given)
    assert expected(given).startswith("Until a start is measured, a replica is expected to take 9 min ")
