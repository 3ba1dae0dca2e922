"""The design, checked: who imports whom, abstract or final, names, laziness, and that shapes are checked at all."""

import ast
import importlib
import inspect
import pkgutil
import subprocess
import sys
from pathlib import Path

import equinox as eqx
import jaxtyping
import numpy as np
import pytest

import curlflow
from curlflow import rules
from curlflow.catalogue import CELLS, STUDIES, identity_of, location
from curlflow.networks import Feedforward
from curlflow.networks.signs import gains

pytestmark = pytest.mark.quick

ROOT = Path(curlflow.__file__).parent
MODULES = [importlib.import_module(m.name) for m in pkgutil.walk_packages([str(ROOT)], "curlflow.")]


def classes():
    return {
        c for m in MODULES for c in vars(m).values() if inspect.isclass(c) and c.__module__.startswith("curlflow.")
    }


def test_import_contracts():
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([lint, "--no-cache"], cwd=ROOT.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_classes_are_abstract_or_final():
    # Abstract: named so, never instantiated. Final: no subclass.
    for c in (c for c in classes() if issubclass(c, eqx.Module)):
        if c.__name__.startswith("Abstract"):
            assert inspect.isabstract(c) or getattr(c, "__abstractvars__", None), c
        else:
            assert not c.__subclasses__(), f"{c} is final, but {c.__subclasses__()} extend it"
            assert not inspect.isabstract(c), c


def test_no_public_function_shares_its_name_with_a_module_of_its_package():
    for package in [curlflow, *(m for m in MODULES if hasattr(m, "__path__"))]:
        modules = {m.name for m in pkgutil.iter_modules(package.__path__)}
        for name in getattr(package, "__all__", ()):
            value = getattr(package, name)
            assert not (name in modules and callable(value)), f"{package.__name__}.{name} hides a module"


def test_no_two_things_have_one_name():
    # On purpose alone: a picture is named as the study that it shows, and a command as the function that it calls.
    studies, places = {study.name for study in STUDIES}, {}
    for path in ROOT.rglob("*.py"):
        place = path.relative_to(ROOT).as_posix()
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
                pair = "picture" if place.startswith("plot/") and node.name in studies else "thing"
                pair = "command" if place.startswith("cli/") else pair
                places.setdefault((node.name, pair), []).append(place)
    assert not {name: found for (name, _), found in places.items() if len(found) > 1}


def test_public_names_exist_and_have_docstrings():
    for name in curlflow.__all__:
        assert getattr(curlflow, name).__doc__, name
    assert set(curlflow.__all__) <= set(dir(curlflow))
    with pytest.raises(AttributeError, match="no attribute 'lyapnov'"):
        curlflow.lyapnov  # noqa: B018


def test_importing_loads_nothing():
    heavy = ["jax", "diffrax", "equinox", "xarray", "matplotlib", "numpy", "pydantic"]
    code = f"import sys, curlflow; sys.exit(' '.join(m for m in {heavy} if m in sys.modules) or 0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_shapes_are_checked_in_this_run():
    # The canary: if this passes silently, annotations are not checked and may be lies.
    with pytest.raises(jaxtyping.TypeCheckError):
        Feedforward([np.ones((2, 3))])(np.ones(3))
    with pytest.raises(jaxtyping.TypeCheckError):
        gains("not widths", 3, 4, 5, 6, key=None)


def test_every_module_says_what_it_is():
    for module in MODULES:
        assert module.__doc__, module.__name__


def words_of(path):
    """What a module refers to: names, attributes, imports, and strings that could name an attribute."""
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return {word for node in nodes for _, word in ast.iter_fields(node) if isinstance(word, str)}


def test_no_module_asks_a_rule_what_it_is():
    # Rules answer for themselves, so that a new one is one file in rules/, and a table in spec/ if TOML names it.
    concrete = {name for name in rules.__all__ if not name.startswith("Abstract")}
    assert len(concrete) >= 6
    modules = {p.relative_to(ROOT).as_posix(): p for p in ROOT.rglob("*.py")}
    outside = {name: p for name, p in modules.items() if name.split("/")[0] not in ("rules", "spec")}
    found = {name: concrete & words_of(p) for name, p in outside.items()}
    # The model of two weights is made of these two.
    assert {name: words for name, words in found.items() if words} == {
        "symbolic/two_weights.py": {"Gradient", "SignFlipped"}
    }


def test_no_module_looks_for_flags_of_rules_by_name():
    flags = {"second_moments_suffice", "rotates_with_hidden_units", "backpropagates"}
    assert not any(getattr(rules.AbstractLearningRule, flag) for flag in flags)
    for path in ROOT.rglob("*.py"):
        nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        assert not flags & {n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)}, path


def test_the_catalogue_names_what_exists():
    # A row is a public function of that name, and each name that it gives can be found.
    for study in STUDIES:
        module, _, name = study.function.partition(":")
        assert getattr(importlib.import_module(module), name) is getattr(curlflow, study.name), study
        assert study.name in curlflow.__all__
        assert study.picture is None or callable(getattr(curlflow.plot, study.picture)), study
        if study.batch is not None:
            module, _, name = study.batch.partition(":")
            assert callable(getattr(importlib.import_module(module), name))
    for field in ("name", "function", "identity"):
        values = [getattr(study, field) for study in STUDIES]
        assert len(set(values)) == len(values), field


def test_identities_of_studies_stay():
    # They name the cells of sweeps that lie on people's disks: a change here loses their work.
    assert {study.name: study.identity for study in STUDIES if ".studies." in study.identity} == {
        "train": "curlflow.studies.training:train",
        "lyapunov": "curlflow.studies.exponents:lyapunov",
        "stability": "curlflow.studies.stability:stability",
        "fluctuations": "curlflow.studies.fluctuation:fluctuations",
        "simulate": "curlflow.studies.simulation:simulate",
        "convergence": "curlflow.studies.convergences:convergence",
        "decomposition": "curlflow.studies.decompositions:decomposition",
    }
    assert list(CELLS) == ["curlflow.studies.bifurcation_cell:at_value"]
    for identity, function in CELLS.items():
        module, _, name = function.partition(":")
        assert callable(getattr(importlib.import_module(module), name))
        assert location(identity) == function
        assert identity_of(function) == identity
