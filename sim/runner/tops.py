"""Modules around an engine for simulation: one that registers its reset, one that also plays and records streams."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

#: Files of a stream player in its run directory: the beats that it sends, and what it records of each output stream.
BEATS, RECORDED = "beats.bin", {"m_axis": "results.txt", "m_spike": "spikes.txt"}
#: Cycles after the last result in which the player still records: a result there is one too many.
QUIET_CYCLES = 64

_RESET = "  reg rst_registered = 1'b1;\n"
_LITE = "s_axil_"


def _declared(port: Mapping[str, Any], kind: str) -> str:
    return f"{kind} [{port['width'] - 1}:0] {port['name']}"


def registered_reset(ports: Sequence[Mapping[str, Any]], top: str) -> tuple[str, str]:
    """Return the name and the text of a module with the ports of `top` in which ``rst`` comes from a register.

    A reset that is an input of the simulation makes all logic that it can clear, the popcounts too, something that
    depends on an input, and Verilator evaluates such logic at both clock edges and once more after each. With the
    register between, it is evaluated once a cycle. The engine is out of reset one cycle later; nothing else changes.

    Parameters
    ----------
    ports : sequence of mapping
        Each with name, direction and width, as in the sidecar of emitted Verilog.
    top : str
        The module to wrap.
    """
    name = f"{top}_testbench"
    header = ",\n".join(f"  {_declared(p, p['direction'] + ' wire')}" for p in ports)
    body = f"{_RESET}  always @(posedge clk) rst_registered <= rst;\n  {top} engine ({_joins(ports, {})});\n"
    return name, f"module {name} (\n{header}\n);\n{body}endmodule\n"


def _joins(ports: Sequence[Mapping[str, Any]], others: Mapping[str, str]) -> str:
    signals = {"rst": "rst_registered", **others}
    return ", ".join(f".{p['name']}({signals.get(p['name'], p['name'])})" for p in ports)


def stream_player(ports: Sequence[Mapping[str, Any]], top: str) -> tuple[str, str]:
    """Return the name and the text of a module that streams a file through `top` and records all that comes out.

    Nothing outside the simulator is asked from cycle to cycle: the testbench writes registers over AXI4-Lite with a
    clock of its own on ``clk``, sets ``go``, and then grants cycles, many at a time, that the player runs by itself in
    one step of time. With a running ``clk`` and no grants it plays just so, cycle by cycle: for waves.

    A beat is read from :data:`BEATS` when its turn has come: a byte with ``tlast``, then the data, the highest byte
    first. :data:`RECORDED` gets a line for each output transfer: the data (hexadecimal) and the cycle. Pauses come from
    a xorshift generator: ``pause_in`` and ``pause_out`` are how many of 256 cycles they take on average.

    Parameters
    ----------
    ports : sequence of mapping
        Each with name, direction and width, as in the sidecar of emitted Verilog.
    top : str
        The module inside.
    """
    name = f"{top}_player"
    sizes = {p["name"]: p["width"] for p in ports}
    streams = [s for s in RECORDED if f"{s}_tdata" in sizes]
    lite = [p for p in ports if p["name"].startswith(_LITE)]
    inside = [p for p in ports if re.match("[sm]_(?!axil_)", p["name"])]
    header = "".join(f"  {_declared(p, p['direction'] + ' wire')},\n" for p in lite)
    driven = [p for p in inside if p["direction"] == "input"]
    signals = "".join(f"  {_declared(p, 'reg' if p in driven else 'wire')};\n" for p in inside)
    zero = "".join(f"    {p['name']} = 0;\n" for p in driven)
    opens = "".join(f'    {s}_file = $fopen("{RECORDED[s]}", "w");\n' for s in streams)
    records, pauses = [], []
    for k, s in enumerate(streams):
        count = "      results <= results + 1;\n" if s == "m_axis" else ""
        records.append(
            f"    if ({s}_tvalid && {s}_tready) begin\n"
            f'      $fwrite({s}_file, "%h %0d\\n", {s}_tdata, cycle);\n{count}    end\n'
        )
        pauses.append(f"    {s}_tready <= noise[{8 * k + 15}:{8 * k + 8}] >= pause_out;\n")
    text = _PLAYER.format(
        name=name, lite=header, signals=signals, zero=zero, opens=opens, beats=BEATS, quiet=QUIET_CYCLES,
        width=sizes["s_axis_tdata"], size=sizes["s_axis_tdata"] // 8 + 1, reset=_RESET,
        files=", ".join(f"{s}_file" for s in streams), records="".join(records), pauses="".join(pauses),
        closes="".join(f"    $fclose({s}_file);\n" for s in streams),
        engine=f"  {top} engine ({_joins(ports, {'clk': 'tick'})});\n",
    )  # fmt: skip
    return name, text


_PLAYER = """module {name} (
  input wire clk,
  input wire rst,
{lite}  input wire go,
  input wire close,
  input wire [31:0] grant,
  input wire [31:0] frames,
  input wire [31:0] seed,
  input wire [7:0] pause_in,
  input wire [7:0] pause_out,
  output reg done,
  output wire sent,
  output reg [31:0] results,
  output reg [63:0] first
);
{signals}  reg begun, ended;
  reg [63:0] cycle;
  reg [31:0] noise;
  reg [7:0] quiet;
  reg [{width}+7:0] beat;
  integer beats, {files}, got;
{reset}  initial begin
    done = 0;
    results = 0;
    first = 0;
    begun = 0;
    ended = 0;
    cycle = 0;
    noise = 0;
    quiet = 0;
{zero}    beats = $fopen("{beats}", "rb");
{opens}  end

  // A cycle takes two rounds of one time step; `spent` counts those that were granted.
  reg phase = 1'b0;
  reg [31:0] spent = 32'd0;
  wire tick = clk | phase;
  always @(phase or grant)
    if (phase) phase <= 1'b0;
    else if (spent != grant && !done) begin
      phase <= 1'b1;
      spent <= spent + 1;
    end

  assign sent = ended && !s_axis_tvalid;
  always @(posedge tick) begin
    rst_registered <= rst;
    cycle <= cycle + 1;
    if (!go) noise <= seed;
    else if (pause_in != 0 || pause_out != 0) noise <= next(noise);
    if (go && (!s_axis_tvalid || s_axis_tready)) begin
      if (s_axis_tvalid && !begun) begin
        begun <= 1;
        first <= cycle;
      end
      s_axis_tvalid <= 0;
      if (!ended && noise[7:0] >= pause_in) begin
        got = $fread(beat, beats);
        if (got == {size}) begin
          s_axis_tdata <= beat[{width}-1:0];
          s_axis_tlast <= beat[{width}];
          s_axis_tvalid <= 1;
        end else ended <= 1;
      end
    end
{pauses}{records}    if (go && results >= frames) begin
      quiet <= quiet + 1;
      if (quiet == {quiet}) done <= 1;
    end
  end

  function [31:0] next(input [31:0] x);
    begin
      next = x ^ (x << 13);
      next = next ^ (next >> 17);
      next = next ^ (next << 5);
    end
  endfunction

  always @(posedge close) begin
    $fclose(beats);
{closes}  end

{engine}endmodule
"""
