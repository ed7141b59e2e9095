"""The published schemas are those of the documents, and every document validates."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from documents import baseline_document, gate_document, tune_document
from pydantic import BaseModel

import harness
from harness.chaos.document import ChaosDocument
from harness.documents import BaselineDocument, CheckDocument, CompareDocument, GateDocument, ReplayDocument
from harness.hitratio.document import HitRatioDocument
from harness.load.document import LoadDocument, StressDocument
from harness.tune.document import TuneDocument

SCHEMAS = Path(harness.__file__).parent / "schemas"
KINDS: list[type[BaseModel]] = [
    *(GateDocument, CompareDocument, BaselineDocument),
    *(CheckDocument, ReplayDocument),
    *(StressDocument, LoadDocument, ChaosDocument),
    *(HitRatioDocument, TuneDocument),
]


@pytest.mark.parametrize("kind", KINDS)
def test_the_published_schema_is_the_documents(kind: type[BaseModel]) -> None:
    """After a wanted change delete the file, run once, and raise SCHEMA_VERSION."""
    path = SCHEMAS / f"{kind.model_fields['kind'].default}.json"
    text = json.dumps(kind.model_json_schema(), indent=2) + "\n"
    if not path.exists():
        path.write_text(text, encoding="utf-8")
        pytest.fail(f"{path} was written anew; read it")
    assert text == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("document", [gate_document(), baseline_document(), tune_document()])
def test_documents_validate(document: BaseModel) -> None:
    """A document as JSON satisfies its schema; one without its verdict or with a stray field does not."""
    data = json.loads(document.model_dump_json())
    schema = json.loads((SCHEMAS / f"{data['kind']}.json").read_text())
    jsonschema.validate(data, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(data | {"stray": 1}, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({key: value for key, value in data.items() if key != "environment"}, schema)
