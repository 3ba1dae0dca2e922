"""Learning rules as vector fields: an error signal times a sign pattern.

- gradient descent is `Gradient()`: the error travels back through the weights themselves;
- feedback alignment is `FeedbackAlignment(matrices)`: it travels back through fixed matrices;
- direct feedback alignment is `DirectFeedbackAlignment(matrices)`: every hidden layer has a fixed matrix of its own;
- the exponentiated gradient is `ExponentiatedGradient()`: synapses move in proportion to their strength;
- curl descent is `SignFlipped(Gradient(), gains)`: the same signal, but some neurons learn with the other sign;
- predictive coding is `PredictiveCoding()`: activities settle between inputs and targets before weights follow;
- Oja's and Sanger's rules are `Oja()` and `Sanger()`: every layer finds principal components of its own inputs;
- recurrent networks learn by `Gradient()` through time, `RandomFeedback(matrix)`, `RFLO(matrix)` and `EProp()`;
- Kolen–Pollack learning is `KolenPollack(matrices, decay)`: the feedback matrices learn as the weights do;
- weight mirrors are `WeightMirror(matrices, rate, decay)`: the feedback matrices are driven towards the weights;
- the BCM rule is `BCM(time_constant)`: units grow selective by thresholds that slide;
- `EligibilityTrace(rule, time_constant)`: weights follow a low-pass filter of the velocity of another rule;
- `FunctionRule(function)`: whatever a function makes of a model and a batch of samples.

The parts combine freely (`SignFlipped(FeedbackAlignment(matrices), gains)`), and a rule of your own is a
class with one method:

```python
class Hebbian(curlflow.rules.AbstractLearningRule):
    def velocity(self, network, task):
        x, _ = task.residuals(network)
        h = network.forward(x).activities
        return network.with_weights(after @ before.T / x.shape[1] for before, after in zip(h, h[1:]))
```
"""

from .base import AbstractErrorDrivenRule, AbstractLearningRule
from .bcm import BCM
from .direct_feedback_alignment import DirectFeedbackAlignment
from .eligibility_trace import EligibilityTrace
from .exponentiated_gradient import ExponentiatedGradient
from .feedback_alignment import FeedbackAlignment
from .function import FunctionRule
from .gradient import Gradient
from .kolen_pollack import KolenPollack
from .memory import AbstractRuleWithMemory
from .oja import Oja, Sanger
from .predictive_coding import PredictiveCoding
from .sign_flipped import SignFlipped
from .through_time import RFLO, EProp, RandomFeedback
from .weight_mirror import WeightMirror

__all__ = [
    "BCM",
    "RFLO",
    "AbstractErrorDrivenRule",
    "AbstractLearningRule",
    "AbstractRuleWithMemory",
    "DirectFeedbackAlignment",
    "EProp",
    "EligibilityTrace",
    "ExponentiatedGradient",
    "FeedbackAlignment",
    "FunctionRule",
    "Gradient",
    "KolenPollack",
    "Oja",
    "PredictiveCoding",
    "RandomFeedback",
    "Sanger",
    "SignFlipped",
    "WeightMirror",
]
