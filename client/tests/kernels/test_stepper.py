"""Single fused steps: the plain rule's numbers, in place, the same for any number of threads."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import torch
from hyperadam.kernels import ReferenceStepper, Stepper, open_stepper, open_tape
from hyperadam.kernels.threads import run_ranges
from kernel_cases import RMS, Case, RoundedHidden, are_equal, check_close, distance

pytestmark = pytest.mark.usefixtures("needs_compiler")


@pytest.fixture
def restore_threads() -> Iterator[None]:
    n = torch.get_num_threads()
    yield
    torch.set_num_threads(n)


def run_steps(case: Case, stepper: Stepper, dtype: torch.dtype) -> list[torch.Tensor]:
    """The directions of a case's first period, and the fields of the state after it."""
    gradients = case.draw(1)[0].to(dtype)
    state = case.rule.init_state(gradients[0])
    directions = []
    for gradient in gradients:
        direction, state = stepper.step(gradient, state)
        directions.append(direction)
    return [*directions, *state]


@pytest.mark.parametrize(
    "case",
    [Case(1, (1,)), Case(5, (3, 131), RMS), Case(20, (513,)), Case(20, (2, 64), RMS)],
    ids=str,
)
def test_is_the_plain_rule(case: Case) -> None:
    expected = run_steps(case, ReferenceStepper(case.rule, case.theta()), torch.float64)
    fused = run_steps(case, open_stepper(case.rule, case.theta()), torch.float64)
    single = run_steps(case, open_stepper(case.rule, case.theta().float()), torch.float32)
    check_close(fused, expected, tolerance=1e-12)
    check_close(single, expected, tolerance=5e-6)


@pytest.mark.parametrize("make", [open_stepper, ReferenceStepper])
def test_in_place_gives_the_same_and_touches_only_the_given_memory(
    make: type[ReferenceStepper],
) -> None:
    case = Case(5, (2, 150), RMS)
    theta = case.theta()
    (first, second) = case.draw(1)[0, :2]
    stepper = make(case.rule, theta)
    _, expected = stepper.step(first, case.rule.init_state(first))
    direction, expected = stepper.step(second, expected)

    state = case.rule.init_state(first)
    out = torch.empty_like(first)
    addresses = [field.data_ptr() for field in state]
    for gradient in (first, second):
        new_direction, new_state = stepper.step(gradient, state, out_state=state, out=out)
        assert new_direction is out
        assert new_state is state
    assert torch.equal(out, direction)
    assert are_equal(state, expected)
    assert [field.data_ptr() for field in state] == addresses


def test_steady_state_allocates_nothing() -> None:
    case = Case(20, (1, 500), RMS)
    gradient = case.draw(1)[0, 0].float()
    stepper = open_stepper(case.rule, case.theta().float())
    state = case.rule.init_state(gradient)
    out = gradient.clone()
    stepper.step(gradient, state, out_state=state, out=out)
    with torch.profiler.profile(profile_memory=True) as profile:
        stepper.step(gradient, state, out_state=state, out=out)
    for event in profile.events():
        assert event.self_device_memory_usage == 0
        assert event.self_cpu_memory_usage == 0


def test_the_number_of_threads_changes_nothing(restore_threads: None) -> None:
    case = Case(5, (2, 20_000), RMS, n_steps=2)
    results = []
    for n in (1, 2, 3):
        torch.set_num_threads(n)
        stepper = open_stepper(case.rule, case.theta().float())
        results.append(run_steps(case, stepper, torch.float32))
    one_thread, two_threads, three_threads = results
    assert are_equal(one_thread, two_threads)
    assert are_equal(one_thread, three_threads)


def test_the_input_state_is_left_alone() -> None:
    case = Case(5, (1, 20), RMS)
    gradient = case.draw(1)[0, 0]
    state = case.rule.init_state(gradient)
    open_stepper(case.rule, case.theta()).step(gradient, state)
    assert not any(field.any() for field in state)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_callers_arithmetic_keeps_its_denormals(dtype: torch.dtype) -> None:
    case = Case(5, (1, 20), RMS)
    gradient = case.draw(1)[0, 0].to(dtype)
    tape = open_tape(case.rule, case.theta().to(dtype), case.rule.init_state(gradient))
    tape.step(gradient)
    tape.backward(gradient[None])
    open_stepper(case.rule, case.theta().to(dtype)).step(gradient, case.rule.init_state(gradient))
    tiny = torch.full((1,), torch.finfo(dtype).tiny, dtype=dtype)
    assert float(tiny / 2) > 0


def test_one_stepper_serves_several_shapes() -> None:
    case = Case(5, (1, 20), RMS)
    stepper = open_stepper(case.rule, case.theta())
    plain = ReferenceStepper(case.rule, case.theta())
    for shape in ((1, 20), (3, 200), (1, 20), (7,)):
        gradient = torch.randn(shape, dtype=torch.float64)
        direction, _ = stepper.step(gradient, case.rule.init_state(gradient))
        expected, _ = plain.step(gradient, case.rule.init_state(gradient))
        assert distance(direction, expected) < 1e-12


def test_strided_gradients_and_states_are_read() -> None:
    case = Case(5, (2, 30), RMS)
    gradient = torch.randn(30, 2, dtype=torch.float64).T
    state = case.rule.init_state(gradient)
    strided = type(state)(*(field.transpose(0, 2).contiguous().transpose(0, 2) for field in state))
    stepper = open_stepper(case.rule, case.theta())
    direction, _ = stepper.step(gradient, strided)
    expected, _ = stepper.step(gradient.contiguous(), state)
    assert torch.equal(direction, expected)


def test_wrong_arguments_are_named() -> None:
    case = Case(5, (2, 30))
    stepper = open_stepper(case.rule, case.theta())
    gradient = torch.zeros(2, 30, dtype=torch.float64)
    state = case.rule.init_state(gradient)
    with pytest.raises(ValueError, match=r"gradient must be torch\.float64"):
        stepper.step(gradient.float(), state)
    with pytest.raises(ValueError, match=r"state\.hidden must be"):
        stepper.step(gradient[:1], state)
    with pytest.raises(ValueError, match="out must be"):
        stepper.step(gradient, state, out=gradient[0])
    with pytest.raises(ValueError, match="must be contiguous"):
        stepper.step(gradient, state, out=torch.zeros(30, 2, dtype=torch.float64).T)
    with pytest.raises(ValueError, match="coordinates"):
        stepper.step(gradient[:, :0], case.rule.init_state(gradient[:, :0]))


@pytest.mark.parametrize(("n_blocks", "n_threads"), [(0, 2), (1, 4), (64, 2), (1000, 3), (100, 7)])
def test_ranges_cover_every_block_once(n_blocks: int, n_threads: int) -> None:
    blocks: list[int] = []
    run_ranges(n_blocks, n_threads, lambda _, begin, end: blocks.extend(range(begin, end)))
    assert sorted(blocks) == list(range(n_blocks))


def test_an_error_in_a_thread_is_raised() -> None:
    def work(thread: int, begin: int, end: int) -> None:
        if thread == 1:
            raise RuntimeError(f"{begin} to {end}")

    with pytest.raises(RuntimeError, match="32 to 64"):
        run_ranges(64, 2, work)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork.*:DeprecationWarning")
def test_threads_work_in_a_forked_child() -> None:
    threads: list[int] = []
    run_ranges(64, 2, lambda thread, *_: threads.append(thread))
    child = os.fork()
    if child == 0:
        run_ranges(64, 2, lambda *_: None)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert sorted(threads) == [0, 1]


@pytest.mark.parametrize(
    "case",
    [Case(1, (1,)), Case(5, (3, 131), RMS), Case(20, (513,), RMS), Case(20, (2, 64), n_steps=12)],
    ids=str,
)
def test_a_bfloat16_state_is_rounded_to_nearest_and_nothing_else_is(case: Case) -> None:
    gradients = case.draw(1)[0]
    theta = case.theta()
    fused = open_stepper(case.rule, theta)
    plain = ReferenceStepper(RoundedHidden(case.rule.spec), theta)
    state = rounded = case.rule.init_state(gradients[0].bfloat16())
    for gradient in gradients:
        direction, state = fused.step(gradient, state)
        expected, rounded = plain.step(gradient, rounded)
        assert distance(direction, expected) < 1e-12
        assert are_equal(state, rounded)
        assert state.v.dtype == torch.bfloat16


@pytest.mark.parametrize("make", [open_stepper, ReferenceStepper])
def test_a_bfloat16_state_stays_near_the_full_one_and_in_place(
    make: type[ReferenceStepper],
) -> None:
    case = Case(5, (2, 300), RMS, n_steps=20)
    theta = case.theta().float()
    gradients = case.draw(1)[0].float()
    full = case.rule.init_state(gradients[0])
    state = case.rule.init_state(gradients[0].bfloat16())
    stepper = make(case.rule, theta)
    addresses = [field.data_ptr() for field in state]
    for gradient in gradients:
        expected, full = stepper.step(gradient, full)
        direction, _ = stepper.step(gradient, state, out_state=state)
        assert distance(direction, expected) < 0.03
    assert [field.data_ptr() for field in state] == addresses


def test_bfloat16_keeps_nan_and_infinity() -> None:
    case = Case(2, (40,), RMS)
    gradient = case.draw(1)[0, 0].float()
    gradient[3] = torch.nan
    state = case.rule.init_state(gradient.bfloat16())
    state.v[0, 5] = torch.inf
    _, after = open_stepper(case.rule, case.theta().float()).step(gradient, state)
    _, plain = ReferenceStepper(case.rule, case.theta().float()).step(gradient, state)
    assert torch.equal(after.m.isnan(), plain.m.isnan())
    assert after.m.isnan().any()
    assert after.v[0, 5] == torch.inf


def test_a_state_has_one_dtype() -> None:
    case = Case(2, (7,))
    gradient = case.draw(1)[0, 0]
    state = case.rule.init_state(gradient.bfloat16())
    with pytest.raises(ValueError, match=r"state\.v must be torch\.bfloat16"):
        open_stepper(case.rule, case.theta()).step(gradient, state._replace(v=state.v.double()))
    wide_state = case.rule.init_state(gradient)
    with pytest.raises(ValueError, match=r"out_state\.hidden must be torch\.bfloat16"):
        open_stepper(case.rule, case.theta()).step(gradient, state, out_state=wide_state)
