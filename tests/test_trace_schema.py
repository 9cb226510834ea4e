"""docs/trace.schema.json is made from the types; `pytest tests/test_trace_schema.py --update-golden` writes it anew."""

import json
from pathlib import Path

import jsonschema
import pytest

from denoisecli.registry import ROOMS
from denoisecli.trace_schema import Record, json_schema, record_fault, record_type

PAGE = Path(__file__).parents[1] / "docs" / "trace.schema.json"
LEAST = {
    "schema": "denoisecli/trace/1", "lab": "walk", "version": "1", "created": None, "command": None, "config": {},
    "environment": None, "model": None, "schedule": [], "runs": [], "timings": {}, "artifacts": [],
    "schedule_kind": "vp", "batches": [], "decoders": {},
    "walk": {"kind": "seeds", "ends": ["1", "2"], "loop": False, "angles_deg": [], "sampled": 2, "jumps": {}},
}  # fmt: skip


def test_the_schema_is_made_from_the_types(request):
    made = json.dumps(json_schema(), indent=1, ensure_ascii=False) + "\n"
    if request.config.getoption("--update-golden"):
        PAGE.write_text(made, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == made
    jsonschema.Draft202012Validator.check_schema(json_schema())


@pytest.mark.parametrize("lab", ROOMS)
def test_every_lab_says_what_its_record_holds(lab):
    assert issubclass(record_type(lab), Record)
    assert record_type(lab) is not Record


@pytest.mark.parametrize("lab", ["", "toaster", None, 7, ["walk"]], ids=repr)
def test_what_is_no_lab_has_the_record_of_all(lab):
    assert record_type(lab) is Record


@pytest.mark.slow
def test_what_is_always_written_is_required_by_the_schema_and_not_by_the_reader():
    jsonschema.validate(LEAST, json_schema())
    for key in LEAST.keys() - {"schema", "lab"}:
        less = {name: value for name, value in LEAST.items() if name != key}
        with pytest.raises(jsonschema.ValidationError, match=key):
            jsonschema.validate(less, json_schema())
        assert record_fault(less) is None


@pytest.mark.parametrize(
    ("lab", "wrong", "key"),
    [
        pytest.param("walk", {"runs": [{"leg": "x"}]}, "runs[0].leg", id="a walk's leg"),
        pytest.param("sample", {"runs": [{"leg": "x"}]}, None, id="no other lab's"),
        pytest.param("cfg-sweep", {"scales": [{"steps": [-1.0]}]}, "scales[0].steps[0]", id="a scale below 0"),
        pytest.param("lora-rank", {"runs": [{"rank": -1}]}, "runs[0].rank", id="a rank below 0"),
        pytest.param("noise", {"runs": [{"states": [{"sigma": -1.0}]}]}, "runs[0].states[0].sigma", id="a level"),
        pytest.param("words", {"words": [{"text": "a", "strength": 2}]}, "words[0].strength", id="a word too loud"),
        pytest.param("fork", {"forks": [{"at": 1}]}, "forks[0].layout", id="a fork that says nothing"),
        pytest.param("toaster", {"runs": [{"seed": "x"}]}, "runs[0].seed", id="of what is no lab, what all have"),
    ],
)  # fmt: skip
def test_faults_are_told_by_their_key_in_the_lab_that_has_it(lab, wrong, key):
    fault = record_fault({"schema": "denoisecli/trace/1", "lab": lab} | wrong)
    assert (fault or "").split(" ")[0] == (key or "")
