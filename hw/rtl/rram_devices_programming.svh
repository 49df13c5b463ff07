  // Of macros with devices behind their ports: programming, an operation at a time.
  wire [31:0] first = step(drawing ? drawn : mem[DRAW_SEED][31:0]);
  wire [31:0] second = step(first);
  wire [DEVICE_BITS-1:0] at_device =
      DEVICE_BITS'(2) * (DEVICE_BITS'(at_row) * DEVICE_BITS'(COLS) + DEVICE_BITS'(at_col)) + DEVICE_BITS'(at_side);
  wire [16:0] distance = scaled(statistics[31:16], magnitude);
  wire signed [18:0] wanted = $signed({4'd0, statistics[14:0]})
      + (u[31] ? -$signed({2'd0, distance}) : $signed({2'd0, distance}));
  wire unformed = found == TOP;
  wire changes = ~stuck & (~unformed | (op == OP_FORM & drawn >= form_fails));

  always @(posedge clk) begin
    prog_done <= phase == WRITE;
    case (phase)
      IDLE:
      if (prog_valid) begin
        op <= prog_op;
        at_side <= prog_side;
        at_row <= prog_row;
        at_col <= prog_col;
        u <= first;
        drawn <= second;
        drawing <= 1'b1;
        phase <= LOOK;
      end
      LOOK: begin
        {stuck, found} <= mem[WORD_BITS'(at_row)][32*at_col+16*at_side+:16];
        operations <= count[at_device];
        phase <= DRAW;
      end
      DRAW: begin
        statistics <= device[{op == OP_RESET, bucket_of({1'b0, age} + 41'(operations[COUNT_BITS-1:1]))}];
        magnitude <= normal[place(u)];
        phase <= WRITE;
      end
      WRITE: begin
        if (changes)
          mem[WORD_BITS'(at_row)][32*at_col+16*at_side+:15] <=
              wanted < 0 ? 15'd0 : wanted >= $signed({4'd0, TOP}) ? TOP - 15'd1 : wanted[14:0];
        if (~&operations) count[at_device] <= operations + 1'b1;
        phase <= IDLE;
      end
    endcase
  end
  assign prog_ready = phase == IDLE;
  wire unused = &{1'b0, statistics[15]};
