"""The engine: pure queries on the tape."""

from gradlint.engine.judge import Verdict as Verdict
from gradlint.engine.judge import judge as judge
from gradlint.engine.judge import merge as merge
