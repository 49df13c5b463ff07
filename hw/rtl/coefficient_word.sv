// Thresholds, scales and offsets of all neurons of a layer that needs them at once: constants to a synthesis tool.
module coefficient_word #(
    parameter WIDTH = 16,
    parameter INIT_FILE = ""
) (
    output wire [WIDTH-1:0] q
);
  reg [WIDTH-1:0] mem[0:0];

  initial begin
    // Not both: Yosys would let the zero win over the file.
    if (INIT_FILE != "") $readmemh(INIT_FILE, mem);
    else mem[0] = {WIDTH{1'b0}};
  end

  assign q = mem[0];
endmodule
