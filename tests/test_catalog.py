"""The catalog: pages and model files are read strictly, and every mistake names its file and key or row."""

from __future__ import annotations

from pathlib import Path

import pytest

from gradlint import catalog, config, sources
from gradlint.catalog import CAUSES, SECTIONS, Catalog, CatalogError

HEAD = 'contracts = ["severed"]\ncauses = ["detach"]\nseverity = "error"\nsummary = "s"\nhelp = "h"\n'
BODY = "\n".join(f"## {section}\n\ntext\n" for section in SECTIONS)


def page(folder: Path, head: str = HEAD, body: str = BODY, title: str = "cut-here") -> Path:
    path = folder / "cut-here.md"
    path.write_text(f"# {title}\n\n```toml\n{head}```\n\n{body}", encoding="utf-8")
    return path


def model(folder: Path, text: str, name: str = "lib.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_own_data_loads_once() -> None:
    loaded = Catalog.load()
    assert loaded is Catalog.load()
    assert loaded.rules


def test_every_cause_is_claimed_by_exactly_one_severed_or_zeroed_rule() -> None:
    loaded = Catalog.load()
    for cause in CAUSES:
        contract = "zeroed" if cause == "zero-gradient" else "severed"
        rule = loaded.rule_for(contract, cause)
        assert rule is not None, cause
        assert cause in rule.causes


def test_page(tmp_path: Path) -> None:
    rule = catalog.read_rule(page(tmp_path))
    assert (rule.slug, rule.contracts, rule.causes, rule.enabled) == ("cut-here", ("severed",), ("detach",), True)
    assert rule.text.startswith("# cut-here\n")
    assert rule.url.endswith("cut-here.md")


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (HEAD.replace("severity", "severeness"), "severeness"),
        (HEAD.replace('"error"', '"fatal"'), "severity"),
        (HEAD.replace('["detach"]', '["magic"]'), "causes"),
        (HEAD.replace("severed", "broken"), "contracts"),
        (HEAD.replace('help = "h"\n', ""), "help"),
        (HEAD.replace('"s"', '""'), "summary"),
        (HEAD + 'url = "x"\n', "url"),
        (HEAD + "url = \n", "TOML"),
    ],
)
def test_bad_head_names_file_and_key(tmp_path: Path, head: str, expected: str) -> None:
    with pytest.raises(CatalogError, match=rf"cut-here\.md.*{expected}"):
        catalog.read_rule(page(tmp_path, head))


def test_bad_page_shape(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="must start with"):
        catalog.read_rule(page(tmp_path, title="other-name"))
    with pytest.raises(CatalogError, match="sections must be"):
        catalog.read_rule(page(tmp_path, body=BODY.replace("## Good", "## Better")))
    path = tmp_path / "bare.md"
    path.write_text("# bare\n", encoding="utf-8")
    with pytest.raises(CatalogError, match="no ```toml block"):
        catalog.read_rule(path)


def test_two_rules_may_not_claim_the_same(tmp_path: Path) -> None:
    rule = catalog.read_rule(page(tmp_path))
    with pytest.raises(CatalogError, match="already claimed"):
        Catalog({"a": rule, "b": rule}, {})


def test_rule_for_falls_back_to_the_contract(tmp_path: Path) -> None:
    narrow = catalog.read_rule(page(tmp_path))
    wide = catalog.read_rule(page(tmp_path, HEAD.replace('causes = ["detach"]\n', "")))
    loaded = Catalog({"narrow": narrow, "wide": wide}, {})
    assert loaded.rule_for("severed", "detach") is narrow
    assert loaded.rule_for("severed", "numpy") is wide
    assert loaded.rule_for("zeroed") is None


def test_rows_and_aliases(tmp_path: Path) -> None:
    path = model(tmp_path, '"a.round" = { flow = "zeroes", cause = "zero-gradient", aliases = ["a.T.round"] }\n')
    loaded = Catalog.load([path])
    row = loaded.row("a.T.round")
    assert row is not None
    assert row is loaded.row("a.round")
    assert (row.name, row.flow) == ("a.round", "zeroes")
    assert loaded.row("a.nothing") is None
    assert [r.name for r in loaded.rows()].count("a.round") == 1


def test_extra_rows_replace_own_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = Catalog({}, catalog.read_models([model(tmp_path, '"a.f" = {}\n"a.g" = {}\n')]))
    monkeypatch.setattr(catalog, "_own", lambda _folder: own)
    loaded = Catalog.load([model(tmp_path, '"a.f" = { flow = "unknown" }\n', "user.toml")])
    assert [(row.name, row.flow) for row in loaded.rows()] == [("a.f", "unknown"), ("a.g", "carries")]
    assert [row.flow for row in Catalog.load().rows()] == ["carries", "carries"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('"a.f" = { flows = "cuts" }', r"a\.f.*flows"),
        ('"a.f" = { flow = "slices" }', r"a\.f.*slices"),
        ('"a.f" = { flow = "cuts", cause = "magic" }', r"a\.f.*magic"),
        ('"a.f" = { returns = "thing" }', r"a\.f.*thing"),
        ('"a.f" = { mode = "off" }', r"a\.f.*off"),
        ('"a.f" = { flow = "cuts" }', r"a\.f.*cause"),
        ('"a.f" = { outputs = ["carries", "zeroes"] }', r"a\.f.*cause"),
        ('"a.f" = { outputs = ["carries"], fields = ["x", "y"] }', r"a\.f.*fields"),
        ('"a.f" = { name = "b" }', r"a\.f.*name"),
        ('"a.f" = 1', r"a\.f"),
        ('"a.f" = { aliases = ["a.g"] }\n"a.g" = {}', r":2: row 'a\.g'.*twice"),
        ('"a.g" = {}\n"a.f" = { aliases = ["a.g"] }', r":2: row 'a\.f': its alias 'a\.g' is there twice"),
        ('"a.f" = {}\n\n"a.f" = {}', r":3: row 'a\.f' is there twice"),
        ('"a.f" = {}\n"a.g" = { flow = "cuts" cause = "library" }', r":2: row 'a\.g': not valid TOML"),
        ('["a.f"]\nflow = cuts', r":2: row 'a\.f': not valid TOML"),
        ('"a.f" = {}\n"a.g" = { flow = "cuts", cause = "librry" }', r":2: row 'a\.g'.*did you mean 'library'"),
        (
            '"a.f" = { inputs = "x" }',
            r":1: row 'a\.f': key 'inputs': expected a list of strings, not the string \"x\": write \[\"x\"\]",
        ),
        ('"a.f" = { unproved = 1 }', r"a\.f.*'unproved': expected true or false, not the number 1"),
        ('"a.f" = [{ until = "1.13" }, { since = "1.12" }]', r"a\.f.*must not overlap: until '1.13', since '1.12'"),
        ('"a.f" = [{ until = "1" }, { since = "1.9" }]', r"a\.f.*must not overlap"),
        ('"a.f" = [{ since = "2" }, { until = "1" }]', r"a\.f.*order of their releases"),
        ('"a.f" = [{}, { since = "1" }]', r"a\.f.*order of their releases"),
        ('"a.f" = [{ until = "1", aliases = ["a.g"] }, { since = "2" }]', r"a\.f.*last table may have 'aliases'"),
        ('"a.f" = [1]', r"a\.f.*table"),
        ('"a.f" = { former = [] }', r"a\.f.*former"),
        ('"a.f" = { inputs = ["x"] }', r"a\.f.*inputs.*'x'.*signature"),
        ('"a.f" = { demand = "root" }', r"a\.f.*demand.*inputs"),
        ('"a.f" = { demand = "sum" }', r"a\.f.*sum"),
        ('"a.f" = { since = "v2" }', r"a\.f.*since.*v2"),
        ("f = {}", r"row 'f'.*no qualified name"),
        ('"a.f" = {', "TOML"),
        ('[library]\nname = "a"\nrelease = "1"', "library.*release"),
    ],
)
def test_bad_row_names_file_and_row(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(CatalogError, match=rf"lib\.toml.*{expected}"):
        catalog.read_models([model(tmp_path, text)])


def test_a_row_that_contradicts_torch_is_told(tmp_path: Path) -> None:
    text = """
        "torch.round" = {}
        "mine.round" = { flow = "cuts", cause = "library", aliases = ["torch.sigmoid"] }
        "torch.topk" = { flow = "unknown" }
        "torch.argmax" = { flow = "cuts", cause = "library" }
    """
    path = model(tmp_path, text)
    first, second = catalog.contradictions(path, catalog.read_models([path]).values(), Catalog.load())
    assert [told.startswith(f"{path}:{line}: row ") for told, line in ((first, 2), (second, 3))] == [True, True]
    assert "row 'torch.round': says of torch.round: carries; torch was seen to do: zeroes" in first
    assert "row 'mine.round': says of torch.sigmoid: cuts; torch was seen to do: carries" in second


def test_a_contradicting_file_does_not_count(tmp_path: Path) -> None:
    settings = tmp_path / "gradlint.toml"
    settings.write_text("extend-models = ['rows.toml']\n", encoding="utf-8")
    rows = model(tmp_path, '"torch.round" = {}\n"mine.f" = {}\n', "rows.toml")
    made, problems = sources.knowledge(config.load([], settings))
    assert [str(rows) in told and "row 'torch.round'" in told for told in problems] == [True]
    assert made.row("mine.f") is None


def test_two_files_may_not_hold_the_same_row(tmp_path: Path) -> None:
    paths = [model(tmp_path, '"a.f" = {}\n', name) for name in ("one.toml", "two.toml")]
    with pytest.raises(CatalogError, match=r"two\.toml.*a\.f.*one\.toml"):
        catalog.read_models(paths)


def test_unreadable_file(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match=r"missing\.toml"):
        catalog.read_models([tmp_path / "missing.toml"])


def test_what_nobody_proved_says_nothing_is_lost(tmp_path: Path) -> None:
    text = '"a.f" = { flow = "cuts", cause = "library", unproved = true }\n"a.g" = { mode = "no-grad", cause = "library" }\n'
    loaded = catalog.read_models([model(tmp_path, text)])
    assert [(row.flow, row.mode, row.unproved) for row in loaded.values()] == [
        ("unknown", "", True),
        ("carries", "no-grad", False),
    ]
    whole = catalog.read_models([model(tmp_path, 'library = { name = "a", unproved = true }\n' + text, "all.toml")])
    assert {row.flow for row in whole.values()} == {"unknown"}


def test_own_rows_that_nobody_proved_make_silent_only() -> None:
    unproved = [row for row in Catalog.load().rows() if row.unproved]
    assert unproved
    assert {(row.flow, row.outputs, row.cause, row.mode, row.demand, row.raises) for row in unproved} == {
        ("unknown", (), "", "", "", False)
    }


def test_a_star_stands_for_part_of_a_segment(tmp_path: Path) -> None:
    path = model(tmp_path, '"a.*Model" = {}\n"a.get_*" = { flow = "constant" }\n"a.*" = { flow = "unknown" }\n')
    loaded = Catalog.load([path])
    flows = {name: row.flow for name in ("a.BertModel", "a.get_it", "a.other") if (row := loaded.row(name))}
    assert flows == {"a.BertModel": "carries", "a.get_it": "constant", "a.other": "unknown"}
    assert loaded.row("b.BertModel") is None


def test_the_cache_holds_the_catalog_ready_for_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fresh() -> Catalog:
        monkeypatch.setattr(catalog, "_loaded", [])
        return Catalog.load(folder=tmp_path / "held")

    read = fresh()
    assert (read.rules, read.rows()) == (Catalog.load().rules, Catalog.load().rows())
    (entry,) = (tmp_path / "held").glob("*.catalog")
    with monkeypatch.context() as patched:
        patched.setattr(catalog, "read_models", None)  # whoever parses now fails
        patched.setattr(catalog, "read_rule", None)
        held = fresh()
    assert (held.rules, held.rows()) == (read.rules, read.rows())
    assert held.row("torch.abs") == read.row("torch.abs") is not None
    for damage in (b"", entry.read_bytes()[:-1], b"\0" * 99):
        entry.write_bytes(damage)
        assert fresh().rows() == read.rows()
