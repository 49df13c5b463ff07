  // XNOR of both bits of each pair with its input.
  wire [2*COLS-1:0] both;
  genvar g;
  generate
    for (g = 0; g < COLS; g = g + 1) begin : g_pair
      assign both[2*g+:2] = ~(r[2*g+:2] ^ {2{xr[g]}});
    end
  endgenerate

  // Until the sense amplifiers have answered, they show the read before.
  wire [2*COLS-1:0] answered;
  generate
    if (LATENCY == 1) begin : g_now
      assign answered = both ^ flip;
    end else begin : g_later
      reg [2*COLS-1:0] shown;
      reg [6:0] left;
      initial begin
        shown = {2 * COLS{1'b0}};
        left = 7'd0;
      end
      always @(posedge clk) begin
        if (sense) left <= 7'(LATENCY - 1);
        else if (left != 7'd0) left <= left - 7'd1;
        if (left == 7'd1) shown <= both;
      end
      assign answered = shown ^ flip;
    end
  endgenerate

  integer c;
  always_comb begin
    for (c = 0; c < COLS; c = c + 1) begin
      agree[c] = &answered[2*c+:2];
      disagree[c] = ~|answered[2*c+:2];
    end
  end
