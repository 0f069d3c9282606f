from gradlint.engine.judge import Verdict, judge, merge
