"""What the adapter of PyTorch modules does with torch: borrow a module and give it back as it was, meet it with a first sample, hook its layers."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import inspect
import warnings
import weakref
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from pellucid.adapters import _torch_packed
from pellucid.adapters._torch_script import Inside, code_of, forward_of, holds_script, is_scripted, scripted, words
from pellucid.adapters._torch_walk import parameters_of, parts_of, tensors_of
from pellucid.core.errors import DamagedModelError, ModelError, PellucidError, SettingError, ShapeError, UnsupportedError, unknown
from pellucid.core.model import Layer
from pellucid.core.packing import InputSpec
from pellucid.core.target import TINY, several_outputs

Shape = tuple[int, ...]
Call = Callable[..., Any]
aten = torch.ops.aten
SOFTMAX = {functional.softmax, torch.softmax, torch.Tensor.softmax, torch.special.softmax, aten.softmax.int, aten._softmax.default}
LOG_SOFTMAX = {
    functional.log_softmax,
    torch.log_softmax,
    torch.Tensor.log_softmax,
    torch.special.log_softmax,
    aten.log_softmax.int,
    aten._log_softmax.default,
}
SIGMOID = {torch.sigmoid, torch.Tensor.sigmoid, functional.sigmoid, torch.special.expit, aten.sigmoid.default}
HEADS = SOFTMAX | LOG_SOFTMAX | SIGMOID
CHANNELS_FIRST = ("Conv", "BatchNorm", "SyncBatchNorm", "GroupNorm", "InstanceNorm")
CHANNELS_LAST = ("Linear", "LayerNorm", "Embedding", "RNN", "LSTM", "GRU", "MultiheadAttention")
"""How the names of layers begin that read channels there; one with another name has them where the layer before had them."""
RECURRENT = (nn.RNNBase, nn.RNNCellBase)
TOKENS = (nn.Embedding, nn.EmbeddingBag)
BY_BATCH = "a BatchNorm without running statistics makes each output depend on the other samples of a batch; give it track_running_stats=True."
GATES = 8.0
"""A recurrent layer keeps for its backward pass about this many times its output."""


def open_exported(path: Path) -> tuple[Any, tuple[InputSpec, ...], dict[str, tuple[int | None, ...] | None], int | None]:
    """The module of a file of torch.export, its inputs, the shapes of its outputs by their names, and the number of samples it is fixed to, if any; may run
    code from the file."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # torch's own, about its older files
            program = torch.export.load(path)
            module = torch.export.unflatten(program)
    except Exception as error:
        raise DamagedModelError(f"'{path}' cannot be read as a file of torch.export ({words(error)}); save it again.") from error
    inputs, nodes = program.graph_signature.user_inputs, {node.name: node.meta.get("val") for node in program.graph.nodes}
    values: dict[str, Any] = {name: nodes.get(name) for name in inputs}
    for name, value in values.items():
        if not isinstance(value, torch.Tensor):
            raise UnsupportedError(f"'{path}' holds a network that takes {name!r} besides tensors; export one that takes tensors alone.")
    made = [nodes.get(name) for name in program.graph_signature.user_outputs]
    outputs = dict(_tensors("", torch.utils._pytree.tree_unflatten(made, program.call_spec.out_spec)))
    specs = tuple(InputSpec(name, _sizes(value)[1:], str(value.dtype).removeprefix("torch.")) for name, value in values.items())
    return module, specs, {name: _sizes(value)[1:] for name, value in outputs.items()}, _sizes(values[inputs[0]])[0]


def _sizes(tensor: Any) -> tuple[int | None, ...]:
    """A shape, None where the length is free."""
    return tuple(size if isinstance(size, int) else None for size in tensor.shape)


def check_module(module: Any) -> None:
    """Raise where a module cannot be served, as far as this shows before any data."""
    if any(nn.parameter.is_lazy(parameter) for parameter in module.parameters()):
        raise ModelError("the module has lazy layers that have not seen an input yet; run it once, module(x), before it is explained.")


def check_one_input(module: Any) -> None:
    """Raise where a module does not take one input, as far as its signature shows."""
    with contextlib.suppress(ValueError):  # some callables show no signature
        try:
            inspect.signature(forward_of(module)).bind(None)
        except TypeError as error:
            raise UnsupportedError(f"{kind_of(module)} does not take one input ({error}); wrap it in a module that takes one array.") from error


def reads_tokens(module: Any) -> bool:
    return any(isinstance(part, TOKENS) for part in module.modules())


def fingerprint(module: Any) -> str:
    """SHA-256 over the architecture as printed, every weight and buffer, and the code of TorchScript."""
    digest = hashlib.sha256(repr(module).encode())
    for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    for part in scripted(module):
        digest.update(code_of(part))
    return digest.hexdigest()[:16]


def named(module: Any) -> dict[str, Any]:
    """Every part of a module by its dotted path; a module without parts by its class. Those of TorchScript take no hooks and are left out."""
    parts = {name: part for name, part in parts_of(module).items() if name and "parametrizations" not in name.split(".") and not is_scripted(part)}
    return parts or ({} if holds_script(module) else {type(module).__name__.lower(): module})


def own_parameters(part: Any) -> list[Any]:
    """What training changes in a part itself; what stands behind a weight that is computed from others (spectral or weight normalisation) is its own too."""
    behind = getattr(part, "parametrizations", None)
    found = [*part.parameters(recurse=False), *(behind.parameters() if isinstance(behind, nn.Module) else ())]
    return [one for one in found if one.is_floating_point()]


def on_host(tensor: Any) -> Any:
    """As NumPy's array; in float32, or float64 where it is."""
    kept = torch.float64 if tensor.dtype == torch.float64 else torch.float32
    tensor = tensor.detach()
    return (tensor if tensor.dtype is kept and tensor.is_cpu else tensor.to("cpu", kept)).numpy()


@contextlib.contextmanager
def replaced(changed: Sequence[tuple[Any, Any]], given: Any) -> Iterator[Any]:
    """Parameters with other numbers in them for a while; gives what it is given."""
    before = [(parameter, parameter.detach().clone()) for parameter, _ in changed]
    try:
        for parameter, array in changed:
            parameter.data.copy_(torch.as_tensor(array, device="cpu"))  # past autograd: a graph that the user has not gone back through stays good
        yield given
    finally:
        for parameter, kept in before:
            parameter.data.copy_(kept)


@contextlib.contextmanager
def borrowed(module: Any, *, gradients: bool) -> Iterator[list[Any]]:
    """The module's parts: in evaluation mode, weights out of the graph, in no gradient mode of the caller's; all put back afterwards, and the random state too.

    Without gradients it runs under `no_grad` and not `inference_mode`: a module that keeps a tensor for later must stay trainable.
    """
    parts = list(parts_of(module).values())
    training = [part for part in parts if getattr(part, "training", False)]
    tracked = [parameter for parameter in parameters_of(parts) if parameter.requires_grad]
    embeddings = [part for part in parts if isinstance(part, TOKENS)]
    with contextlib.ExitStack() as stack:
        _keep_random_state(stack, {tensor.device for tensor in tensors_of(parts)})
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.set_grad_enabled(gradients))
        if gradients and any(isinstance(part, nn.RNNBase) or kind_of(part) in ("RNN", "LSTM", "GRU") for part in parts):
            stack.enter_context(_without_cudnn())
        for part in embeddings:
            stack.callback(part.register_forward_pre_hook(_whole_numbers).remove)
        try:
            for part in training:
                part.training = False
            for parameter in tracked:
                parameter.requires_grad_(False)
            yield parts
        finally:
            for part in training:
                part.training = True
            for parameter in tracked:
                parameter.requires_grad_(True)


@contextlib.contextmanager
def _without_cudnn() -> Iterator[None]:
    """cuDNN gives no gradient of a recurrent layer in evaluation mode. `cudnn.flags` would set its other settings too."""
    cudnn = torch.backends.cudnn
    before, cudnn.enabled = cudnn.enabled, False
    try:
        yield
    finally:
        cudnn.enabled = before


def _keep_random_state(stack: contextlib.ExitStack, devices: set[Any]) -> None:
    """The random state of the host and of each of these devices, put back as the stack ends."""
    stack.enter_context(torch.random.fork_rng([]))
    for device in devices:
        if device.type == "mps":  # its state is asked for without a number of a device
            stack.callback(torch.mps.set_rng_state, torch.mps.get_rng_state())
        elif device.type not in ("cpu", "meta"):
            stack.enter_context(torch.random.fork_rng([device], device_type=device.type))


class Reached(BaseException):
    """Every layer that was asked for has been read: nothing above need run. Not an `Exception`, so that no module catches it."""


def first(output: Any) -> Any:
    """What a layer is read by: its output, or the first of several; None where that is no tensor of numbers, nor a packed sequence of them."""
    several = isinstance(output, (tuple, list)) and not isinstance(output, _torch_packed.Packed)
    value = output[0] if several and output else output
    data = value.data if isinstance(value, _torch_packed.Packed) else value
    return value if isinstance(data, torch.Tensor) and data.is_floating_point() else None


def turned(part: Any, value: Any) -> Any:
    """Samples first from time first, or back, where the layer reads time first."""
    return value.transpose(0, 1) if value.ndim == 3 and getattr(part, "batch_first", True) is False else value


@contextlib.contextmanager
def hooked(parts: Mapping[str, Any], change: Callable[[str, Any], Any], length: _torch_packed.Length = _torch_packed.LONGEST) -> Iterator[None]:
    """Each part's output passed through `change(name, output)`, samples first; None leaves it. Of several outputs the first is meant; what is packed is padded
    to `length` meanwhile."""

    def hook_of(name: str) -> Callable[..., Any]:
        def hook(part: Any, _: Any, output: Any) -> Any:
            value = first(output)
            if value is None:
                return None
            packed = isinstance(value, _torch_packed.Packed)
            changed = change(name, _torch_packed.padded(name, value, length(name, value)) if packed else turned(part, value))
            if changed is None:
                return None
            changed = _torch_packed.repacked(value, changed) if packed else turned(part, changed)
            return changed if value is output else (changed, *output[1:])

        return hook

    with removed([part.register_forward_hook(hook_of(name)) for name, part in parts.items()]):
        yield


@contextlib.contextmanager
def removed(handles: Sequence[Any]) -> Iterator[None]:
    """Takes hooks off again when the block is left, whether by an error or not."""
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _whole_numbers(_: Any, arguments: Any) -> Any:
    """Tokens come as floats, as every input does."""
    return tuple(value.long() if isinstance(value, torch.Tensor) and value.is_floating_point() else value for value in arguments)


class WithoutHead(TorchFunctionMode):  # type: ignore[misc]
    """Leaves out one call of softmax, log_softmax or sigmoid: the `place`-th of a forward pass. `logits` is what it was called with."""

    def __init__(self, place: int) -> None:
        super().__init__()
        self.place, self.logits = place, None

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in HEADS:
            self.place -= 1
            if self.place < 0 and self.logits is None:
                self.logits = args[0] if args else (kwargs or {})["input"]
                return self.logits
        return func(*args, **(kwargs or {}))


class _Watch(TorchFunctionMode):  # type: ignore[misc]
    """Notes what a forward pass does: calls of softmax and sigmoid, with the axis of a sample that a softmax is over, the first convolution's input, the bytes
    that are made, and those of the largest tensor."""

    def __init__(self, samples: int) -> None:
        super().__init__()
        self.packings = _torch_packed.Packings(samples)
        self.heads: list[tuple[str, int, Any]] = []
        self.convolved: Shape | None = None
        self.convolutions: list[Shape] = []
        self.bytes = self.largest = 0.0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "").partition(".")[0]
        if name in ("conv1d", "conv2d", "conv3d"):
            self.convolutions.append(tuple(args[0].shape))
        if self.convolved is None and name in ("conv1d", "conv2d", "conv3d"):
            self.convolved = tuple(args[0].shape)
            if args[0].ndim == int(name[4]) + 1:
                raise ShapeError(f"a convolution met inputs of shape {tuple(args[0].shape[1:])} without the axis of samples or of channels; use x[None].")
        if name == "batch_norm" and (kwargs.get("training") or any(value is True for value in args[5:6])):
            raise ModelError(BY_BATCH)
        result = func(*args, **kwargs)
        self.packings.note(name, args, result)
        if func in SOFTMAX or func in LOG_SOFTMAX:
            dim = kwargs.get("dim", args[1] if len(args) > 1 else None)
            implicit = 0 if result.ndim in (0, 1, 3) else 1
            axis = (implicit if dim is None else dim) % max(result.ndim, 1) - 1
            kind = "softmax" if func in SOFTMAX else "log_softmax"
            self.heads.append((kind if axis >= 0 else "", axis, weakref.ref(result)))
        if func in SIGMOID:
            self.heads.append(("sigmoid", -1, weakref.ref(result)))
        made = _made(result, args)
        self.largest = max(self.largest, made)
        self.bytes += made * ((GATES + 1) * self.packings.steps_for_one(args) if name in ("lstm", "gru", "rnn_tanh", "rnn_relu") else 1)
        return result

    def read(self, inside: Inside) -> None:
        """Take over what happened within TorchScript too."""
        if inside.by_batch:
            raise ModelError(f"{BY_BATCH} What was traced in training mode stays so: module.eval() before torch.jit.trace.")
        self.bytes, self.largest, self.convolutions = inside.bytes, inside.largest, inside.convolutions
        self.convolved = next(iter(self.convolutions), None)


def _made(result: Any, arguments: Any) -> float:
    """Bytes of a result that is no view of an argument."""
    tensor = result[0] if isinstance(result, tuple) and result else result
    if not isinstance(tensor, torch.Tensor):
        return 0.0
    given = {value.data_ptr() for value in arguments if isinstance(value, torch.Tensor)}
    return 0.0 if tensor.data_ptr() in given else float(tensor.nbytes)


@dataclass(frozen=True)
class Meeting:
    """What a sample of a shape showed. `parts` holds every part that was called, `layers` those that compute something, in the order of their last call;
    `uses` how often each was called; `last` those whose output is the network's. `place` counts the calls of softmax and sigmoid before the head. `bytes` is
    what a sample makes in all, `largest` in one tensor. `format` is the order of images in memory: with channels last, convolutions on a processor are a
    tenth to a third faster. `class_axis` is the axis of the output that counts classes. `packed` says how long the packed sequences of a layer are padded."""

    layers: tuple[Layer, ...]
    parts: Mapping[str, Layer] = field(default_factory=dict)
    uses: Mapping[str, int] = field(default_factory=dict)
    last: frozenset[str] = frozenset()
    output_shape: Shape | None = None
    head: str | None = None
    place: int = 0
    bytes: float = 0.0
    largest: float = 0.0
    channels: str = "last"
    format: Any = torch.contiguous_format
    class_axis: int = -1
    convolutions: tuple[Shape, ...] = ()
    packed: Mapping[str, int] = field(default_factory=dict)

    @property
    def length(self) -> _torch_packed.Length:
        return _torch_packed.known(self.packed)

    @functools.cached_property
    def known(self) -> Mapping[str, Layer]:
        """Every part that can be named, by its name."""
        return dict(self.parts) | {layer.name: layer for layer in self.layers}


def before_meeting(module: Any) -> Meeting:
    """What can be said without data: layers in the order they were registered, no shapes."""
    parts = {name: part for name, part in named(module).items() if _computes(part)}
    counts = _parameters(module, parts)
    convolves = any(isinstance(part, nn.modules.conv._ConvNd) or kind_of(part).startswith("Conv") for part in module.modules())
    layers = tuple(
        Layer(
            name,
            kind_of(part),
            None,
            counts[name],
            spatial=isinstance(part, nn.Conv2d) or kind_of(part) == "Conv2d",
            sequential=isinstance(part, RECURRENT),
            channel_axis=_channel_axis(part, -1),
        )
        for name, part in parts.items()
    )
    return Meeting(layers, channels="first" if convolves else "last")


def meet(module: Any, x: Any, wanted: str = "", call: Call | None = None) -> Meeting:
    """What a module is, from its run on one or two samples (samples, *shape); the module is borrowed already. Of several outputs, the `wanted` one is meant;
    `call(x, format)` runs a module that takes `x` apart.

    Images are tried with channels last in memory first; a module that calls `view` may not take them so, and then meets them as usual.
    """
    images = call is not None or (x.ndim == 4 and x.shape[1] > 1)
    if x.device.type == "cpu" and images and any(kind_of(part).startswith("Conv2d") for part in module.modules()):
        with contextlib.suppress(ShapeError):
            return _meet(module, x, torch.channels_last, wanted, call)
    return _meet(module, x, torch.contiguous_format, wanted, call)


def _meet(module: Any, x: Any, memory_format: Any, wanted: str, call: Call | None) -> Meeting:
    parts, watch = named(module), _Watch(len(x))
    uses: Counter[str] = Counter()
    seen: dict[str, tuple[Shape, Any]] = {}

    def note(name: str, value: Any) -> None:
        uses[name] += 1
        seen.pop(name, None)
        seen[name] = tuple(value.shape), weakref.ref(value)  # a reference that keeps no layer's output in memory

    samples, shape = len(x), tuple(x.shape[1:])
    with hooked(parts, note, watch.packings.length), contextlib.ExitStack() as stack:
        inside = stack.enter_context(Inside()) if holds_script(module) else None
        if not is_scripted(module):
            stack.callback(module.register_forward_pre_hook(watch.packings.begin, with_kwargs=True).remove)
        for part in parts.values():
            if getattr(part, "batch_first", True) is False:
                stack.callback(part.register_forward_pre_hook(functools.partial(_check_time_first, samples)).remove)
        run = module if call is None else functools.partial(call, memory_format=memory_format)
        output = one_output(_called(run, x.clone(memory_format=memory_format if call is None else torch.preserve_format), watch, inside), wanted)
    check_samples(output, samples)
    if inside is not None:
        watch.read(inside)
    heads = [(place, kind, axis) for place, (kind, axis, result) in enumerate(watch.heads) if kind and result() is output]
    place, head, axis = heads[-1] if heads else (0, None, -1)
    channels = _channels(shape, watch.convolved)
    found = _layers(module, parts, {name: shape for name, (shape, _) in seen.items()}, channels, samples)
    if axis < 0:
        called = list(found.values()) if inside is None or inside.last is None else [_nameless(*inside.last)]
        axis = _class_axis(called, tuple(output.shape[1:]))
    return Meeting(
        tuple(layer for name, layer in found.items() if _computes(parts[name])),
        found,
        uses,
        frozenset(name for name, (_, value) in seen.items() if value() is output),
        tuple(output.shape[1:]) or (1,),
        head,
        place,
        (watch.bytes + x.nbytes) / samples,
        watch.largest / samples,
        channels,
        memory_format,
        -1 if axis == output.ndim - 2 else axis,
        tuple(watch.convolutions),
        watch.packings.found,
    )


def _nameless(shape: Shape, axis: int) -> Layer:
    """An operation within TorchScript as if it were a layer."""
    return Layer("", "", shape[1:], channel_axis=axis)


def _class_axis(called: Sequence[Layer], output: Shape) -> int:
    """Which axis of an output without a softmax counts classes: that of the channels of the layer that made it, unless they have been moved since."""
    last = next((layer for layer in reversed(called) if layer.shape is not None), None)
    if last is None or last.shape is None or last.channel_axis != 0 or len(output) < 2 or len(last.shape) != len(output):
        return -1
    moved = output == (*last.shape[1:], last.shape[0])
    return -1 if moved and output != last.shape else 0


def one_output(returned: Any, wanted: str) -> Any:
    """The tensor among what a module returns: the only one, or of several that of the name `wanted`."""
    found = dict(_tensors("", returned))
    if wanted:
        if wanted not in found:
            raise SettingError(unknown("output", wanted, found) if "" not in found else f"the network has one output, so that there is no '{wanted}'.")
        return found[wanted]
    if len(found) == 1:
        return next(iter(found.values()))
    if not found:
        raise UnsupportedError(f"the module returns a {type(returned).__name__} without a tensor of numbers; wrap it so that it returns the one to explain.")
    raise several_outputs({name: tuple(tensor.shape[1:]) for name, tensor in found.items()})


def _tensors(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Every tensor of numbers in what a module returns, by its key, field or place; nested ones with dots."""
    if isinstance(value, torch.Tensor):
        if value.is_floating_point() and value.ndim:
            yield name, value
        return
    if isinstance(value, Mapping):
        items = [(str(key), item) for key, item in value.items()]
    elif isinstance(value, (tuple, list)):
        items = list(zip(getattr(value, "_fields", map(str, range(len(value)))), value, strict=True))
    elif dataclasses.is_dataclass(value):
        items = [(one.name, getattr(value, one.name)) for one in dataclasses.fields(value)]
    else:
        return
    for key, item in items:
        yield from _tensors(f"{name}.{key}" if name else key, item)


def on_scale(outputs: Any, weights: Any, scale: str) -> tuple[Any, Any]:
    """Outputs and their weights, as `Target.scale` says."""
    if scale in ("sigmoid", "log_sigmoid"):
        return getattr(functional, scale.replace("_", ""))(outputs * weights.sign()), weights.abs()
    if scale == "log":
        return outputs.clamp(min=TINY).log(), weights
    return (outputs.exp() if scale == "exp" else outputs), weights


def check_samples(output: Any, samples: int) -> None:
    """Raise unless the first axis of a network's output counts samples."""
    if (len(output) if output.ndim else 1) != samples:
        raise ModelError(
            f"the module returned {tuple(output.shape)} for {samples} input{'s' * (samples != 1)}; the first axis must count samples "
            "(a recurrent layer reads samples first with batch_first=True)."
        )


def _check_time_first(samples: int, part: Any, arguments: Any) -> None:
    """Raise where a layer that reads time first is given samples first."""
    value = arguments[0] if arguments else None
    if isinstance(value, torch.Tensor) and value.ndim == 3 and value.shape[0] == samples != value.shape[1]:
        raise ModelError(
            f"a {type(part).__name__} with batch_first=False met {tuple(value.shape)}: it takes the {value.shape[1]} time steps of each sample for samples; "
            "build it with batch_first=True, or turn the axes before it."
        )


def _called(module: Any, x: Any, watch: _Watch, inside: Inside | None) -> Any:
    """The output, or an error that says what came."""
    try:
        with watch:
            return module(x)
    except (PellucidError, torch.OutOfMemoryError):
        raise
    except (RuntimeError, ValueError, TypeError, IndexError, AssertionError) as error:
        shape, cause = tuple(x.shape[1:]), (inside and inside.error) or error
        if isinstance(cause, torch.OutOfMemoryError):
            raise cause from error
        problem = f"the module cannot take one input of shape {shape}, {str(x.dtype).removeprefix('torch.')} ({type(cause).__name__}: {words(cause)})."
        if len(shape) == 3 and shape[-1] in (1, 3, 4) and shape[0] not in (1, 3, 4):
            problem += " Torch reads images as (samples, channels, rows, columns): use x.transpose(0, 3, 1, 2)."
        raise ShapeError(problem) from error


def _channels(shape: Shape, convolved: Shape | None) -> str:
    """Where the channels of an input lie: as the first convolution read it, else as torch's images do; series and tables have them last."""
    if convolved is not None and len(convolved) == len(shape) + 1:
        return "last" if shape[0] != convolved[1] and shape[-1] == convolved[1] else "first"
    if len(shape) < 3:
        return "last"
    return "last" if shape[-1] in (1, 3, 4) and shape[0] not in (1, 3, 4) else "first"


def channels_apart(shapes: Sequence[Shape], convolutions: Sequence[Shape]) -> tuple[str, ...]:
    """Where the channels of each of several inputs lie: as the first convolution of as many numbers reads it."""
    return tuple(_channels(shape, next((one for one in convolutions if sorted(one[1:]) == sorted(shape)), None)) for shape in shapes)


def kind_of(part: Any) -> str:
    """The class of a layer; of a part of an exported program or of TorchScript, that which it was made of."""
    if is_scripted(part):
        return str(getattr(part, "original_name", type(part).__name__))
    exported = getattr(part, "type_name", None)
    return str(exported() if callable(exported) else type(part).__name__).rpartition(".")[2]


def _computes(part: Any) -> bool:
    """Whether it is a layer rather than a container: it has no parts, or parameters of its own."""
    inner = [name for name, _ in part.named_children() if name != "parametrizations"]
    return not inner or any(True for _ in part.parameters(recurse=False))


def _parameters(module: Any, listed: Mapping[str, Any]) -> Counter[str]:
    """Parameters of each listed part, those of unlisted parts within it too."""
    counts: Counter[str] = Counter()
    for name, parameter in module.named_parameters():
        path = name.rpartition(".")[0]
        while path and path not in listed:
            path = path.rpartition(".")[0]
        counts[path or next(iter(listed), "")] += parameter.numel()
    return counts


def _channel_axis(part: Any, before: int) -> int:
    kinds = [kind_of(part), *(kind.__name__ for kind in type(part).__mro__)]
    if any(kind.startswith(CHANNELS_FIRST) or "Pool" in kind for kind in kinds):
        return 0
    return -1 if any(kind.startswith(CHANNELS_LAST) for kind in kinds) else before


def _layers(module: Any, parts: Mapping[str, Any], seen: Mapping[str, Shape], channels: str, samples: int) -> dict[str, Layer]:
    """The called parts as the contract shows them; a layer that is no convolution and no dense one has its channels where the one before had them."""
    counts = _parameters(module, {name: None for name in seen if _computes(parts[name])})
    axis, found = 0 if channels == "first" else -1, {}
    for name, whole in seen.items():
        part = parts[name]
        axis = _channel_axis(part, axis)
        shape = whole[1:] if whole[:1] == (samples,) else None
        places = () if shape is None else shape[1:] if axis == 0 else shape[:-1]
        found[name] = Layer(
            name, kind_of(part), shape, counts[name], "", len(places) == 2 and places != (1, 1), isinstance(part, RECURRENT), axis if places else -1
        )
    return found
