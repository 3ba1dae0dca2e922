"""Small systems as formulas: field, Jacobian, integrability, fixed points and conserved quantities with SymPy.

```python
f = curlflow.symbolic.symbolic_field(curlflow.systems.lorenz63(), parameters="symbols")
print(f.jacobian, f.divergence, f.is_gradient)
```
"""

from .field import SymbolicField, readable
from .tracing import symbolic_field
from .two_weights import TwoWeightModel, two_weight_model

__all__ = ["SymbolicField", "TwoWeightModel", "readable", "symbolic_field", "two_weight_model"]
