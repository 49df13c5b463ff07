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
  function automatic [63:0] wrong(input [63:0] a, input [63:0] b, input [63:0] c, input [63:0] d, input [15:0] rate);
    reg [63:0] m;
    reg [63:0] plane;
    begin
      m = 64'd0;
      plane = a ^ {b[33:0], b[63:34]} ^ {c[47:0], c[63:48]};
      m = (m & plane) | ({64{rate[0]}} & (m | plane));
      plane = a ^ {b[16:0], b[63:17]} ^ {d[3:0], d[63:4]};
      m = (m & plane) | ({64{rate[1]}} & (m | plane));
      plane = a ^ {c[55:0], c[63:56]} ^ {d[62:0], d[63:63]};
      m = (m & plane) | ({64{rate[2]}} & (m | plane));
      plane = b ^ {c[3:0], c[63:4]} ^ {d[30:0], d[63:31]};
      m = (m & plane) | ({64{rate[3]}} & (m | plane));
      plane = a ^ {b[34:0], b[63:35]} ^ {c[39:0], c[63:40]};
      m = (m & plane) | ({64{rate[4]}} & (m | plane));
      plane = a ^ {b[3:0], b[63:4]} ^ {d[13:0], d[63:14]};
      m = (m & plane) | ({64{rate[5]}} & (m | plane));
      plane = a ^ {c[44:0], c[63:45]} ^ {d[34:0], d[63:35]};
      m = (m & plane) | ({64{rate[6]}} & (m | plane));
      plane = b ^ {c[44:0], c[63:45]} ^ {d[14:0], d[63:15]};
      m = (m & plane) | ({64{rate[7]}} & (m | plane));
      plane = a ^ {b[62:0], b[63:63]} ^ {c[55:0], c[63:56]};
      m = (m & plane) | ({64{rate[8]}} & (m | plane));
      plane = a ^ {b[43:0], b[63:44]} ^ {d[58:0], d[63:59]};
      m = (m & plane) | ({64{rate[9]}} & (m | plane));
      plane = a ^ {c[25:0], c[63:26]} ^ {d[60:0], d[63:61]};
      m = (m & plane) | ({64{rate[10]}} & (m | plane));
      plane = b ^ {c[29:0], c[63:30]} ^ {d[3:0], d[63:4]};
      m = (m & plane) | ({64{rate[11]}} & (m | plane));
      plane = a ^ {b[14:0], b[63:15]} ^ {c[9:0], c[63:10]};
      m = (m & plane) | ({64{rate[12]}} & (m | plane));
      plane = a ^ {b[13:0], b[63:14]} ^ {d[7:0], d[63:8]};
      m = (m & plane) | ({64{rate[13]}} & (m | plane));
      plane = a ^ {c[46:0], c[63:47]} ^ {d[17:0], d[63:18]};
      m = (m & plane) | ({64{rate[14]}} & (m | plane));
      plane = b ^ {c[51:0], c[63:52]} ^ {d[59:0], d[63:60]};
      m = (m & plane) | ({64{rate[15]}} & (m | plane));
      wrong = m;
    end
  endfunction

  assign mask = wrong(a, b, c, d, rate);
endmodule
