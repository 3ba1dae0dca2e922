"""Samples of the user's own: `Data`, from arrays, from a file, or of scikit-learn's small data sets."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Num

Rows = Num[np.ndarray, "samples *axes"]
SETS = ("breast_cancer", "diabetes", "digits", "iris", "wine")
"""The data sets that come with scikit-learn."""


@dataclass(frozen=True, init=False, eq=False)
class Data:
    """Training and test samples: inputs and targets, one sample a row.

    ```python
    data = curlflow.Data(x, y, x_test, y_test)
    data = curlflow.Data.of("digits", test=0.2)
    ```

    **Arguments:**

    - `x`: inputs (samples × features, as in scikit-learn, pandas and xarray; more axes may follow), real numbers.
    - `y`: targets (samples, or samples × outputs), real numbers; for the loss `"softmax"` also whole numbers from 0,
      the labels of classes.
    - `x_test`, `y_test`: likewise. Without them there is no test error (NaN).

    Numbers in single precision are kept as they are, in double precision.

    **Raises:** `ValueError` for what is no array of real numbers, for numbers that are not finite, and for arrays
    that do not fit together.
    """

    x: Rows
    y: Rows
    x_test: Rows
    y_test: Rows

    def __init__(self, x: Any, y: Any, x_test: Any = None, y_test: Any = None):
        if (x_test is None) != (y_test is None):
            there, missing = ("y_test", "x_test") if x_test is None else ("x_test", "y_test")
            raise ValueError(f"data.{missing}: required with data.{there}, but not given.")
        x, y = _checked("x", x), _checked("y", y)
        tests = (x[:0], y[:0]) if x_test is None else (_checked("x_test", x_test), _checked("y_test", y_test))
        for name, inputs, targets in (("", x, y), ("_test", *tests)):
            if len(inputs) != len(targets):
                raise ValueError(
                    f"data.y{name}: got {len(targets)} samples, but data.x{name} has {len(inputs)}; "
                    "a sample is a row."
                )
        for name, training, test in (("x", x, tests[0]), ("y", y, tests[1])):
            if training.shape[1:] != test.shape[1:]:
                raise ValueError(
                    f"data.{name}_test: got samples of shape {test.shape[1:]}, those of data.{name} are "
                    f"{training.shape[1:]}."
                )
        if not len(x):
            raise ValueError("data.x: got no samples, at least one is required.")
        for name, value in zip(("x", "y", "x_test", "y_test"), (x, y, *tests), strict=True):
            object.__setattr__(self, name, value)

    @classmethod
    def of(cls, name: str, *, test: float = 0.2, seed: int = 0, standardized: bool = True) -> "Data":
        """One of the data sets that come with scikit-learn (`pip install "curlflow[datasets]"`).

        **Arguments:**

        - `name`: `"breast_cancer"`, `"diabetes"`, `"digits"`, `"iris"` or `"wine"`.
        - `test`: the share of samples in the test set, which is drawn by `seed`.
        - `standardized`: whether every feature is shifted and scaled to mean 0 and variance 1 over the training set;
          targets that are no labels likewise.

        **Raises:** `ValueError` for other names and shares, `ImportError` without scikit-learn.
        """
        if name not in SETS:
            raise ValueError(f"name: got {name!r}, allowed are {', '.join(SETS)}.")
        if not 0 < test < 1:
            raise ValueError(f"test: got {test!r}, allowed are numbers above 0 and below 1.")
        try:
            from sklearn import datasets
        except ImportError:
            raise ImportError('name: scikit-learn is not installed; pip install "curlflow[datasets]".') from None
        x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
        order = np.random.default_rng(seed).permutation(len(x))
        first, rest = np.split(order, [len(x) - round(test * len(x))])
        x, y = np.asarray(x, dtype=float), np.asarray(y)
        if standardized:
            x = _standardized(x, first)
            y = y if y.dtype.kind in "iu" else _standardized(y, first)
        return cls(x[first], y[first], x[rest], y[rest])

    @classmethod
    def from_file(cls, path: str | Path, names: dict[str, str]) -> "Data":
        """From arrays in a file of NumPy (.npz) or NetCDF; `names` says what x, y, x_test and y_test are called.

        **Raises:** `ValueError` for a file that cannot be read or lacks an array, and as `Data`.
        """
        try:
            if Path(path).suffix == ".npz":
                with np.load(path, allow_pickle=False) as file:
                    arrays = {name: file[called] for name, called in names.items() if called in file}
            else:
                import xarray as xr

                with xr.open_dataset(path) as file:
                    arrays = {name: file[called].to_numpy() for name, called in names.items() if called in file}
        except (OSError, ValueError) as error:
            raise ValueError(f"data.file: {path} cannot be read: {error}") from None
        for name, called in names.items():
            if name not in arrays:
                raise ValueError(f"data.{name}: got {called!r}, which is not in {path}.")
        return cls(**arrays)

    @property
    def digest(self) -> str:
        """A checksum of all samples."""
        found = hashlib.sha256()
        for array in (self.x, self.y, self.x_test, self.y_test):
            found.update(f"{array.dtype}{array.shape}".encode())
            found.update(np.ascontiguousarray(array).tobytes())
        return found.hexdigest()[:16]


def _checked(name: str, given: Any) -> Rows:
    try:
        array = np.asarray(given)
    except (TypeError, ValueError):
        array = np.asarray(None)
    if array.dtype.kind not in "biuf" or array.ndim == 0:
        raise ValueError(
            f"data.{name}: got {type(given).__name__}, required is an array of real numbers, samples first."
        )
    array = array.astype(np.int64 if array.dtype.kind in "biu" else float)
    if bad := int(np.sum(~np.isfinite(array))):
        raise ValueError(f"data.{name}: got {bad} of {array.size} numbers that are not finite; all must be.")
    array.flags.writeable = False
    return array


def _standardized(values: Rows, training: Any) -> Rows:
    spread = values[training].std(axis=0)
    return (values - values[training].mean(axis=0)) / np.where(spread > 0, spread, 1.0)
