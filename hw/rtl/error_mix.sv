// Twelve steps of x[i + 4] = x[i] ^ rotl(x[i + 1], 7) ^ (rotl(x[i + 2], 31) & rotl(x[i + 3], 50)) on four words.
// Combinational. One function, not an expression a step, which an event-driven simulator would evaluate far too often.
module error_mix (
    input  wire [63:0] a,
    input  wire [63:0] b,
    input  wire [63:0] c,
    input  wire [63:0] d,
    output wire [63:0] mixed_a,
    output wire [63:0] mixed_b,
    output wire [63:0] mixed_c,
    output wire [63:0] mixed_d
);
  function automatic [255:0] mix(input [63:0] a, input [63:0] b, input [63:0] c, input [63:0] d);
    reg [63:0] x;
    integer k;
    begin
      for (k = 0; k < 12; k = k + 1) begin
        x = a ^ {b[56:0], b[63:57]} ^ ({c[32:0], c[63:33]} & {d[13:0], d[63:14]});
        a = b;
        b = c;
        c = d;
        d = x;
      end
      mix = {d, c, b, a};
    end
  endfunction

  assign {mixed_d, mixed_c, mixed_b, mixed_a} = mix(a, b, c, d);
endmodule
