"""The digest of an own serving changes with what may change its answers, and with nothing else."""

from __future__ import annotations

import importlib.util
import sys

import pytest

from dataflow.serving.adapter import ServingAdapter
from dataflow.serving.base.code_digest import code_digest
from dataflow.serving.fake import FakeServing

SOURCE = '''
from dataflow.core import VLMServingABC

def decorated(function):
    import functools
    @functools.wraps(function)
    def inner(*args, **kwargs):
        return function(*args, **kwargs)
    return inner

class Base(VLMServingABC):
    def clean(self, text):
        return text.strip()

class Mine(Base):
    """A serving."""

    prefix = "A "

    def __init__(self, temperature=0.1, api_key="x", max_workers=3, options=None):
        self._temperature = temperature
        self.api_key, self.max_workers, self.options = api_key, max_workers, options
        self.called = 0

    @decorated
    def generate_from_input(self, user_inputs, system_prompt="", image_inputs=None):
        # the answers
        self.called += 1
        return [self.clean(self.prefix + "dog")] * len(user_inputs)

    def cleanup(self):
        pass
'''


@pytest.fixture
def made(tmp_path):
    """Makes the serving of a source, as a new process would import it."""
    numbers = iter(range(100))

    def make(source=SOURCE, **arguments):
        path = tmp_path / f"own_{next(numbers)}.py"
        path.write_text(source)
        spec = importlib.util.spec_from_file_location("own_serving", path)
        module = importlib.util.module_from_spec(spec)
        sys.modules["own_serving"] = module
        spec.loader.exec_module(module)
        return module.Mine(**arguments)

    yield make
    sys.modules.pop("own_serving", None)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"dog"', '"cat"'),
        ('prefix = "A "', 'prefix = "The "'),
        ("text.strip()", "text.strip().lower()"),
        ("return [self.clean", "return [str"),
        ("def cleanup(self):\n        pass", "def cleanup(self):\n        self.called = 0"),
    ],
)
def test_code_that_was_mended_has_another(made, old, new):
    assert old in SOURCE
    assert code_digest(made()) != code_digest(made(SOURCE.replace(old, new)))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# the answers", "# all the answers\n\n"),
        ('"""A serving."""', '"""My serving."""'),
        ("self.called += 1", "self.called += (1)"),
        ("import functools", "import functools  # for its wraps"),
    ],
)
def test_comments_docstrings_and_layout_do_not_count(made, old, new):
    assert old in SOURCE
    assert code_digest(made()) == code_digest(made(SOURCE.replace(old, new)))


@pytest.mark.parametrize("changed", [{"temperature": 0.9}, {"options": {"seed": 1}}])
def test_what_it_was_made_with_counts(made, changed):
    assert code_digest(made()) != code_digest(made(**changed))


@pytest.mark.parametrize("changed", [{"api_key": "y"}, {"max_workers": 9}, {"options": None}])
def test_a_key_and_a_speed_do_not(made, changed):
    assert code_digest(made()) == code_digest(made(**changed))


def test_what_it_counts_as_it_works_does_not(made):
    one = made()
    before = code_digest(one)
    one.generate_from_input(["a"])
    assert code_digest(one) == before


@pytest.mark.parametrize("counts", ["Counting.called += 1", "type(self).called = 7", "pass"])
def test_a_counter_of_the_class_does_not_either(counts):
    space = {"__name__": "theirs"}
    exec(
        "from dataflow.core import VLMServingABC\n"
        "class Counting(VLMServingABC):\n"
        "    called = 0\n"
        "    def cleanup(self): pass\n"
        "    def generate_from_input(self, user_inputs, system_prompt=''):\n"
        f"        {counts}\n"
        "        return user_inputs\n",
        space,
    )
    serving = space["Counting"]()
    before = code_digest(serving)
    serving.generate_from_input(["q"])
    assert code_digest(serving) == before
    if counts == "pass":  # a value that no method changes is a setting
        space["Counting"].called = 9
        assert code_digest(serving) != before


def test_a_class_without_source_has_one_too():
    space: dict = {"__name__": "__main__"}
    exec(SOURCE, space)
    other: dict = {"__name__": "__main__"}
    exec(SOURCE.replace('"dog"', '"cat"'), other)
    assert code_digest(space["Mine"]()) != code_digest(other["Mine"]())


def test_a_serving_that_says_its_settings_is_believed(made):
    class Saying:
        def generate_from_input(self, user_inputs, system_prompt=""):
            return user_inputs

        def settings(self):
            return {"temperature": 1}

    assert "code" not in ServingAdapter(Saying()).settings()
    assert "code" in ServingAdapter(made()).settings()


def test_one_of_ours_with_a_method_of_their_own_is_known_by_that_method():
    class First(FakeServing):
        def generate_from_input(self, user_inputs, system_prompt="", image_inputs=None):
            return ["A dog."] * len(user_inputs)

    class Second(FakeServing):
        def generate_from_input(self, user_inputs, system_prompt="", image_inputs=None):
            return ["A cat."] * len(user_inputs)

    First.__qualname__ = Second.__qualname__ = "Mine"
    one, other = (ServingAdapter(kind("")).settings() for kind in (First, Second))
    assert {**one, "code": ""} == {**other, "code": ""}
    assert one["code"] != other["code"]
