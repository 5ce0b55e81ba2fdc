"""The formulas of docstrings are drawn: Unicode becomes LaTeX."""

import runpy

import pytest

from documents import ROOT

FORMULAS = runpy.run_path(str(ROOT / "docs" / "formulas.py"))


@pytest.mark.parametrize(
    ("unicode", "expected"),
    [
        ("Âₜ = δₜ + γₜ λ Âₜ₊₁", r"\hat{A}_{t} = δ_{t} + γ_{t} λ \hat{A}_{t+1}"),
        ("M = ∏_{j<m} π_new(aʲ|oʲ)", r"M = \prod _{j<m} π_{\text{new}}(a^{j}\vert o^{j})"),
        ("E[ r·M Â − 𝔇 ]", r"\mathbb{E}[ r\cdot M \hat{A} - \mathfrak{D} ]"),
        ("a*ⁱ = argmax Q̂ⁱ(o′ⁱ, ·)", r"a^{*i} = \operatorname{argmax} \hat{Q}^{i}(o'^{i}, \cdot )"),
        ("r / √max(Var G, 10⁻⁸)", r"r / \sqrt{ \operatorname{max} ( \operatorname{Var} G, 10^{-8})}"),
        ("Q^{i₁…i_{m−1}}", r"Q^{i_{1}\dots i_{m-1}}"),
        ("V = x  the value of a state", r"V = x \qquad \text{the value of a state}"),
        ("∏_{j≠i} x", r"\prod _{j\ne i} x"),
        ("p′ = Π(p + β)", r"p' = \Pi (p + β)"),
    ],
)
def test_a_formula_of_a_docstring_is_written_in_latex(unicode, expected):
    assert FORMULAS["latex"]("    " + unicode) == expected


def test_lines_of_one_formula_are_aligned():
    assert FORMULAS["latex"]("    a = δ\n    b = γ") == r"\begin{aligned}&a = δ \\ &b = γ\end{aligned}"


def test_commands_programs_and_lists_are_no_formulas():
    text = "Look:\n\n    hamlet train happo --clip 0.1  # ε\n\n    >>> x  # δ\n\n* one\n    δ stays in the list"
    assert FORMULAS["drawn"](text) == text


def test_symbols_with_scripts_are_drawn_within_a_sentence_and_names_are_not():
    text = "Agent i_m of i₁ … i_n has Q^{i_m}; `x_m`, il_pp, matrix/a_b and $y_m$ are left."
    drawn = "Agent $i_{m}$ of i₁ … $i_{n}$ has $Q^{i_{m}}$; `x_m`, il_pp, matrix/a_b and $y_m$ are left."
    assert FORMULAS["drawn"](text) == drawn


def test_a_bracket_that_is_not_closed_is_an_error_that_names_the_formula():
    with pytest.raises(ValueError, match="not closed in the formula: Σ_"):
        FORMULAS["latex"]("    Σ_{a Q")
