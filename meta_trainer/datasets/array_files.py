"""Arrays of a stranger's file, npz or safetensors, read within bounds.

Nothing is unpickled, no name in a file becomes a path, and no more is unpacked than a file says of
itself, which is bounded before the first byte of an array is read.
"""

from __future__ import annotations

import io
import math
import re
import struct
import zipfile
import zlib
from typing import IO, Any, Final, Literal

import numpy as np
import safetensors
from hyperadam import strict_json
from safetensors.numpy import load as load_safetensors

MAX_FILE_BYTES: Final = 256 * 2**20
MAX_DECODED_BYTES: Final = 512 * 2**20
"""Of all arrays of a file together, unpacked."""
MAX_DIMENSIONS: Final = 4
MAX_HEADER_BYTES: Final = 64 * 2**10

ARRAY_NAMES: Final = ("inputs", "targets", "test_inputs", "test_targets")
"""All that a file may hold; the first two it must hold."""
FileFormat = Literal["npz", "safetensors"]
Arrays = dict[str, "np.ndarray[Any, Any]"]

_NPY_HEADER: Final = re.compile(
    r"\{'descr': '(?P<type>[<>|=][a-zA-Z]\d{1,2})', 'fortran_order': (?P<order>True|False), "
    r"'shape': \((?P<shape>(?:\d{1,18}(?:, |,)?){0,8})\), \} *\n"
)
_NPY_TYPES: Final = ("|u1", "|i1", "<u2", "<i2", "<u4", "<i4", "<u8", "<i8", "<f4")
_WRONG_TYPES: Final = {"<f8": "float64", "<f2": "float16", "|b1": "bool"}
"""What people write without wanting to."""
_ZIP_MARK: Final = b"PK\x03\x04"
_PACKINGS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_DAMAGES: Final = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    KeyError,
    NotImplementedError,
    OSError,
    OverflowError,
    RuntimeError,
    ValueError,
)
"""What readers of zip files and of arrays raise at bytes that are wrong."""
_SAFETENSORS_BYTES: Final = {
    "U8": 1,
    "I8": 1,
    "U16": 2,
    "I16": 2,
    "U32": 4,
    "I32": 4,
    "U64": 8,
    "I64": 8,
    "F32": 4,
}
"""Of a number, by the types that a dataset may have."""


class DatasetProblem(ValueError):
    """The file is no dataset; the message says what would be right."""


def find_format(data: bytes) -> FileFormat:
    """Which of the two formats a file has."""
    return "npz" if data.startswith(_ZIP_MARK) else "safetensors"


def read_arrays(data: bytes) -> Arrays:
    """The arrays of a file by name.

    Raises:
        DatasetProblem: too large, damaged, or with other arrays than `ARRAY_NAMES`.
    """
    if len(data) > MAX_FILE_BYTES:
        raise DatasetProblem(
            f"the file must have at most {MAX_FILE_BYTES:,} bytes, got {len(data):,}"
        )
    return _read_npz(data) if find_format(data) == "npz" else _read_safetensors(data)


def _read_npz(data: bytes) -> Arrays:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            _check_names([member.filename.removesuffix(".npy") for member in members])
            _check_sizes(sum(member.file_size for member in members))
            return {
                member.filename.removesuffix(".npy"): _read_member(archive, member)
                for member in members
            }
    except DatasetProblem:
        raise
    except _DAMAGES as error:
        raise DatasetProblem(f"the file is a damaged npz: {error}") from error


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray[Any, Any]:
    """One array. Its header says its size, which must be that of the member before it is read."""
    if member.compress_type not in _PACKINGS:
        raise DatasetProblem(f"{member.filename} must be stored or deflated, as numpy writes it")
    with archive.open(member) as file:
        dtype, shape, order = _read_npy_header(member.filename, file)
        n_bytes = math.prod(shape) * dtype.itemsize
        if n_bytes != member.file_size - file.tell():
            raise DatasetProblem(f"{member.filename} has another size than its header says")
        numbers = np.frombuffer(file.read(), dtype=dtype)
        file.read(1)  # at its end, zipfile compares the checksum
    return numbers.reshape(shape, order=order)


def _read_npy_header(
    name: str, file: IO[bytes]
) -> tuple[np.dtype[Any], tuple[int, ...], Literal["C", "F"]]:
    """Type, shape and order of an array, from what stands before its numbers. Numpy writes it in
    one way; nothing is evaluated."""
    mark = file.read(8)
    n_length_bytes = {b"\x93NUMPY\x01\x00": 2, b"\x93NUMPY\x02\x00": 4}.get(mark)
    if n_length_bytes is None:
        raise DatasetProblem(f"{name} must be an array as numpy writes it, of version 1 or 2")
    length = int.from_bytes(file.read(n_length_bytes), "little")
    header = file.read(min(length, MAX_HEADER_BYTES)).decode("latin-1")
    match = _NPY_HEADER.fullmatch(header)
    if match is None or len(header) != length:
        raise DatasetProblem(f"{name} must be an array of plain numbers, as numpy writes it")
    type_code = match["type"]
    if type_code not in _NPY_TYPES:
        given = _WRONG_TYPES.get(type_code, type_code)
        raise DatasetProblem(f"{name} must be integers or float32, got {given}")
    shape = [int(number) for number in re.findall(r"\d{1,18}", match["shape"])]
    _check_shape(name, shape)
    return np.dtype(type_code), tuple(shape), "F" if match["order"] == "True" else "C"


def _read_safetensors(data: bytes) -> Arrays:
    header = _read_safetensors_header(data)
    _check_names(list(header))
    n_bytes = 0
    for name, field in header.items():
        dtype = field.get("dtype") if isinstance(field, dict) else None
        shape = field.get("shape") if isinstance(field, dict) else None
        if dtype not in _SAFETENSORS_BYTES:
            raise DatasetProblem(
                f"{name} must be of the type {', '.join(_SAFETENSORS_BYTES)}, got {dtype!r:.40}"
            )
        _check_shape(name, shape)
        n_bytes += math.prod(shape or ()) * _SAFETENSORS_BYTES[dtype]
    _check_sizes(n_bytes)
    try:
        return dict(load_safetensors(data))
    except (safetensors.SafetensorError, *_DAMAGES) as error:
        raise DatasetProblem(f"the file is a damaged safetensors: {error}") from error


def _read_safetensors_header(data: bytes) -> dict[str, Any]:
    """Name → type, shape and place, as the file says it."""
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or length > min(MAX_HEADER_BYTES, len(data) - 8):
        raise DatasetProblem("the file must be an npz or a safetensors file")
    try:
        header = strict_json.loads(data[8 : 8 + length], max_bytes=MAX_HEADER_BYTES)
    except strict_json.StrictJSONError as error:
        raise DatasetProblem("the file must be an npz or a safetensors file") from error
    if not isinstance(header, dict):
        raise DatasetProblem("the header of the safetensors file must be an object")
    return {name: field for name, field in header.items() if name != "__metadata__"}


def _check_names(names: list[str]) -> None:
    for name in names:
        if name not in ARRAY_NAMES:
            raise DatasetProblem(
                f"a dataset may hold the arrays {', '.join(ARRAY_NAMES)}, got {name!r:.60}"
            )
    if len(set(names)) < len(names):
        raise DatasetProblem("each array must be there once")
    for name in ARRAY_NAMES[:2]:
        if name not in names:
            raise DatasetProblem(f"a dataset must hold the array {name}")
    if ("test_inputs" in names) != ("test_targets" in names):
        raise DatasetProblem("test_inputs and test_targets must be given together")


def _check_sizes(n_bytes: int) -> None:
    if n_bytes > MAX_DECODED_BYTES:
        raise DatasetProblem(
            f"the arrays must have at most {MAX_DECODED_BYTES:,} bytes unpacked, got {n_bytes:,}"
        )


def _check_shape(name: str, shape: Any) -> None:
    is_shape = isinstance(shape, tuple | list) and all(
        isinstance(length, int) and length >= 0 for length in shape
    )
    if not is_shape or not 1 <= len(shape) <= MAX_DIMENSIONS:
        raise DatasetProblem(f"{name} must have 1 to {MAX_DIMENSIONS} dimensions, got {shape!r}")
    if math.prod(shape) > MAX_DECODED_BYTES:
        raise DatasetProblem(f"{name} is too large: it has the shape {list(shape)}")
