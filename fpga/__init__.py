"""Boards, bitstreams and the host link."""

if not __name__.startswith("oxnor."):
    raise ImportError("import this package as 'oxnor.fpga', or there will be two module objects of each file")

from oxnor.models.base.lazy import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "BOARDS": "oxnor.fpga.boards.table",
        "Board": "oxnor.fpga.boards.board",
        "BuildOptions": "oxnor.fpga.options",
        "Host": "oxnor.fpga.host",
        "LinkError": "oxnor.fpga.transport",
        "VirtualBoard": "oxnor.fpga.emulate",
        "board": "oxnor.fpga.boards.table",
        "build": "oxnor.fpga.bitstream",
        "find_engine": "oxnor.fpga.search",
        "generate": "oxnor.fpga.project",
        "run_images": "oxnor.fpga.session",
    },
)
