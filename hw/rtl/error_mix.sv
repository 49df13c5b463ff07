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
  function automatic [255:0] mix(input [255:0] words);
    reg [63:0] p;
    reg [63:0] q;
    reg [63:0] r;
    reg [63:0] s;
    reg [63:0] x;
    integer k;
    begin
      {s, r, q, p} = words;
      for (k = 0; k < 12; k = k + 1) begin
        x = p ^ {q[56:0], q[63:57]} ^ ({r[32:0], r[63:33]} & {s[13:0], s[63:14]});
        p = q;
        q = r;
        r = s;
        s = x;
      end
      mix = {s, r, q, p};
    end
  endfunction

  assign {mixed_d, mixed_c, mixed_b, mixed_a} = mix({d, c, b, a});
endmodule
