// Error mask of 64 inputs: the 16 bits that each of them gets from a mixed state are a number, and the input is wrong
// if the number is among the `rate` of 65,536. Bit plane by bit plane, lowest first: mask = majority(mask, plane, rate[k]).
// Combinational; one function, as in error_mix.
module error_planes (
    input  wire [63:0] a,
    input  wire [63:0] b,
    input  wire [63:0] c,
    input  wire [63:0] d,
    input  wire [15:0] rate,
    output wire [63:0] mask
);
  function automatic [63:0] wrong(input [63:0] p, input [63:0] q, input [63:0] r, input [63:0] s, input [15:0] n);
    reg [63:0] m;
    reg [63:0] plane;
    begin
      m = 64'd0;
      plane = p ^ {q[33:0], q[63:34]} ^ {r[47:0], r[63:48]};
      m = (m & plane) | ({64{n[0]}} & (m | plane));
      plane = p ^ {q[16:0], q[63:17]} ^ {s[3:0], s[63:4]};
      m = (m & plane) | ({64{n[1]}} & (m | plane));
      plane = p ^ {r[55:0], r[63:56]} ^ {s[62:0], s[63:63]};
      m = (m & plane) | ({64{n[2]}} & (m | plane));
      plane = q ^ {r[3:0], r[63:4]} ^ {s[30:0], s[63:31]};
      m = (m & plane) | ({64{n[3]}} & (m | plane));
      plane = p ^ {q[34:0], q[63:35]} ^ {r[39:0], r[63:40]};
      m = (m & plane) | ({64{n[4]}} & (m | plane));
      plane = p ^ {q[3:0], q[63:4]} ^ {s[13:0], s[63:14]};
      m = (m & plane) | ({64{n[5]}} & (m | plane));
      plane = p ^ {r[44:0], r[63:45]} ^ {s[34:0], s[63:35]};
      m = (m & plane) | ({64{n[6]}} & (m | plane));
      plane = q ^ {r[44:0], r[63:45]} ^ {s[14:0], s[63:15]};
      m = (m & plane) | ({64{n[7]}} & (m | plane));
      plane = p ^ {q[62:0], q[63:63]} ^ {r[55:0], r[63:56]};
      m = (m & plane) | ({64{n[8]}} & (m | plane));
      plane = p ^ {q[43:0], q[63:44]} ^ {s[58:0], s[63:59]};
      m = (m & plane) | ({64{n[9]}} & (m | plane));
      plane = p ^ {r[25:0], r[63:26]} ^ {s[60:0], s[63:61]};
      m = (m & plane) | ({64{n[10]}} & (m | plane));
      plane = q ^ {r[29:0], r[63:30]} ^ {s[3:0], s[63:4]};
      m = (m & plane) | ({64{n[11]}} & (m | plane));
      plane = p ^ {q[14:0], q[63:15]} ^ {r[9:0], r[63:10]};
      m = (m & plane) | ({64{n[12]}} & (m | plane));
      plane = p ^ {q[13:0], q[63:14]} ^ {s[7:0], s[63:8]};
      m = (m & plane) | ({64{n[13]}} & (m | plane));
      plane = p ^ {r[46:0], r[63:47]} ^ {s[17:0], s[63:18]};
      m = (m & plane) | ({64{n[14]}} & (m | plane));
      plane = q ^ {r[51:0], r[63:52]} ^ {s[59:0], s[63:60]};
      m = (m & plane) | ({64{n[15]}} & (m | plane));
      wrong = m;
    end
  endfunction

  assign mask = wrong(a, b, c, d, rate);
endmodule
