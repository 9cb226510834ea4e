"""What films end with: one sentence from a run's numbers, and nothing where they say nothing."""

import pytest

from denoisecli.registry import CONFIGS, part

ROWS = [{"timestep": 999 - 333 * k, "alpha_bar": value} for k, value in enumerate((0.0, 0.3, 0.7, 1.0))]


def sweep(first, last, apart):
    ends = [{"contrast": first, "distance_to_scales": [0.0]}, {"contrast": last, "distance_to_scales": [apart]}]
    return {"scales": [{"label": "1"}, {"label": "12"}], "runs": [{"states": [end]} for end in ends]}


@pytest.mark.parametrize(
    ("lab", "record", "said"),
    [
        pytest.param(
            "sample",
            {"schedule": [{}] * 21, "runs": [{"committed_at": {"layout": at, "detail": 12}} for at in (3, 4, 7)]},
            "The layout was fixed by state 4 of 20. The rest was detail, fixed by state 12.",
            id="the middle seed",
        ),
        pytest.param(
            "sample",
            {"schedule": [{}] * 7, "runs": [{"committed_at": {"layout": 4, "detail": 4}}]},
            "Layout and detail were both fixed by state 4 of 6.",
            id="at once",
        ),
        pytest.param("sample", {"schedule": [{}] * 21, "runs": [{"committed_at": {"layout": None}}]}, None, id="never"),
        pytest.param(
            "noise",
            {"schedule": ROWS[::-1], "runs": [{}]},
            "By t = 666 of 999, half of what is left is noise. Any t is one jump away, "
            "from the same picture and the same noise.",
            id="where noise is half",
        ),
        pytest.param("noise", {"schedule": ROWS, "runs": [{}, {}]}, None, id="several schedules"),
        pytest.param(
            "cfg-sweep",
            sweep(0.14, 0.18, 0.71),
            "Going from cfg 1 to 12 took the contrast from 0.14 to 0.18, and changed the picture by "
            "71 % of its own size.",
            id="guidance shows",
        ),
        pytest.param(
            "cfg-sweep",
            sweep(0.14, 0.142, 0.03),
            "Going from cfg 1 to 12 took the contrast from 0.14 to 0.14: this model follows its prompts "
            "without guidance, so the scale changes little.",
            id="guidance shows little",
        ),
        pytest.param(
            "walk",
            {"runs": [{"jump": 0.1}, {"jump": 0.1}, {"jump": 0.4}, {"jump": None}]},
            "4 frames are 4 full runs, none a cross-fade. The largest step is 2.0 times the average, where one thing "
            "turns into another.",
            id="a jump",
        ),
        pytest.param(
            "lora-rank",
            {"runs": [{"rank": 1, "energy": 0.7}, {"rank": 3, "energy": 0.92, "params": 96, "full_params": 256}]},
            "Rank 3 keeps 92 % of the energy in 96 numbers instead of 256.",
            id="toy",
        ),
        pytest.param(
            "lora-rank",
            {"runs": [{"rank": 4, "energy": 0.95, "bytes": 30}], "lora": {"bytes": 120}},
            "Rank 4 keeps 95 % of the energy in 25 % of the file.",
            id="file",
        ),
        pytest.param(
            "fork",
            {"schedule": [{}] * 21, "decided_at": {"layout": 5.2, "detail": 11.0}},
            "After state 5 of 20 a change no longer decides the layout, and detail after state 11.",
            id="fork",
        ),
        pytest.param(
            "fork",
            {"schedule": [{}] * 21, "decided_at": {"layout": 11.9, "detail": 11.6}},
            "After state 12 of 20 a change decides neither layout nor detail.",
            id="fork, both at once",
        ),
        pytest.param(
            "words",
            {"schedule": [{}] * 21, "words": [{"text": "sun", "found": 4.5}, {"text": "sky", "found": 0}]},
            "“sun” found its place by state 4.5 of 20; “sky” had its from the start.",
            id="words",
        ),
    ],
)
def test_lesson(lab, record, said):
    assert part(lab, "lesson")(record) == said


@pytest.mark.parametrize("lab", CONFIGS)
def test_a_record_that_says_nothing_teaches_nothing(lab):
    assert part(lab, "lesson")({}) is None
