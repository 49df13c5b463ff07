// The virtual board: the board's top level in Verilator, its serial line on a pseudo-terminal.
//
//   virtual_board DIVISOR REST    prints the name of the terminal, then serves it until a signal or the end of stdin
//
// DIVISOR is the clock cycles to a bit, REST those without a bit on the line after which the board is taken to be at
// rest: more than it ever computes in silence. With OXNOR_SPI the line is SPI: each byte that comes from the terminal is sent
// by a controller, and the byte that it reads meanwhile goes back. Else it is a UART.
//
// Time stands still while nothing is on the line and the board has nothing to say, so that waiting costs nothing.
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <fcntl.h>
#include <memory>
#include <poll.h>
#include <termios.h>
#include <unistd.h>
#include <vector>

#include "Voxnor_top.h"
#include "verilated.h"

namespace {

// Clock cycles from the start until the board is out of reset.
constexpr unsigned kStart = 100;
// Clock cycles between two looks at the terminal while the line is busy.
constexpr uint64_t kLook = 512;

#ifdef OXNOR_SPI

class Line {  // controller of SPI, mode 0
 public:
  std::deque<uint8_t> in;
  std::vector<uint8_t> out;
  void start(Voxnor_top& top) {
    top.spi_cs_n = 1;
    top.spi_sck = top.spi_copi = 0;
  }
  // Before a rising edge of the clock.
  void drive(Voxnor_top& top, unsigned divisor) {
    if (bits_ == 0) {
      if (timer_ != 0) {  // the board stays selected, or not, for a while
        --timer_;
        return;
      }
      if (in.empty() || top.spi_cs_n) {
        if (in.empty() == static_cast<bool>(top.spi_cs_n)) return;
        top.spi_cs_n = in.empty();
        timer_ = divisor;
        return;
      }
      value_ = in.front();
      in.pop_front();
      bits_ = 8;
    }
    if (timer_ == 0) {
      top.spi_sck = 0;
      top.spi_copi = value_ >> 7 & 1;
    } else if (timer_ == divisor / 2) {
      value_ = (value_ << 1 | top.spi_cipo) & 0xFF;
      top.spi_sck = 1;
    }
    if (++timer_ == divisor) {
      timer_ = 0;
      if (--bits_ == 0) {
        out.push_back(static_cast<uint8_t>(value_));
        top.spi_sck = 0;
        timer_ = divisor / 2;
      }
    }
  }
  void sample(const Voxnor_top&, unsigned) {}
  bool idle() const { return bits_ == 0 && in.empty(); }
  bool quiet(const Voxnor_top&) const { return idle(); }

 private:
  unsigned bits_ = 0, value_ = 0, timer_ = 0;
};

#else

class Line {  // UART
 public:
  std::deque<uint8_t> in;
  std::vector<uint8_t> out;
  void start(Voxnor_top& top) { top.uart_rx = 1; }
  // Before a rising edge of the clock, and after it.
  void drive(Voxnor_top& top, unsigned divisor) {
    if (bits_ == 0) {
      top.uart_rx = 1;
      if (in.empty()) return;
      frame_ = in.front() << 1 | 0x200;
      in.pop_front();
      bits_ = 10;
      timer_ = divisor;
    }
    top.uart_rx = frame_ & 1;
    if (--timer_ == 0) {
      frame_ >>= 1;
      timer_ = divisor;
      --bits_;
    }
  }
  void sample(const Voxnor_top& top, unsigned divisor) {
    if (left_ == 0) {
      if (!top.uart_tx) {
        left_ = 9;
        wait_ = divisor + divisor / 2;
      }
    } else if (--wait_ == 0) {
      wait_ = divisor;
      if (--left_ == 0) {
        out.push_back(static_cast<uint8_t>(value_));
      } else {
        value_ = (value_ >> 1 | (top.uart_tx ? 0x80u : 0u)) & 0xFF;
      }
    }
  }
  bool idle() const { return bits_ == 0 && in.empty(); }
  bool quiet(const Voxnor_top& top) const { return idle() && left_ == 0 && top.uart_tx; }

 private:
  unsigned bits_ = 0, frame_ = 0, timer_ = 0;      // host to board
  unsigned left_ = 0, value_ = 0, wait_ = 0;       // board to host
};

#endif

}  // namespace

int main(int argc, char** argv) {
  const unsigned divisor = argc > 1 ? static_cast<unsigned>(std::atoi(argv[1])) : 0;
  const uint64_t silence = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 0;
  if (divisor < 4 || silence == 0) {
    std::fprintf(stderr, "usage: virtual_board DIVISOR (at least 4) REST (at least 1)\n");
    return 2;
  }
  const int master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK);
  if (master < 0 || grantpt(master) || unlockpt(master)) {
    std::perror("pseudo-terminal");
    return 1;
  }
  const char* name = ptsname(master);
  // The board keeps the terminal open too: a host may come and go.
  const int slave = open(name, O_RDWR | O_NOCTTY);
  termios settings;
  if (slave < 0 || tcgetattr(slave, &settings)) {
    std::perror("pseudo-terminal");
    return 1;
  }
  cfmakeraw(&settings);
  tcsetattr(slave, TCSANOW, &settings);
  const auto context = std::make_unique<VerilatedContext>();
  context->commandArgs(argc, argv);
  const auto top = std::make_unique<Voxnor_top>(context.get());
  Line line;
  top->clk_pin = 0;
  top->eval();  // Verilator shows large netlists only those changes of a pin that come after the first evaluation
  line.start(*top);
  for (unsigned cycle = 0; cycle < kStart; ++cycle) {
    top->clk_pin = 1;
    top->eval();
    top->clk_pin = 0;
    top->eval();
  }
  std::printf("%s\n", name);
  std::fflush(stdout);
  for (uint64_t cycle = 0, busy = 0;; ++cycle) {
    const bool rest = cycle - busy > silence;
    if (rest || cycle % kLook == 0) {
      pollfd waiting[2] = {{master, POLLIN, 0}, {0, POLLIN, 0}};
      poll(waiting, 2, rest ? 1000 : 0);
      uint8_t buffer[4096];
      if (waiting[1].revents & (POLLIN | POLLHUP)) {
        if (read(0, buffer, sizeof buffer) <= 0) break;  // who started this board is gone
      }
      if (line.in.size() < sizeof buffer && (waiting[0].revents & POLLIN)) {
        const ssize_t n = read(master, buffer, sizeof buffer);
        if (n > 0) line.in.insert(line.in.end(), buffer, buffer + n);
      }
      if (rest && line.idle()) {
        --cycle;  // time stands still
        continue;
      }
    }
    line.drive(*top, divisor);
    top->clk_pin = 1;
    top->eval();
    line.sample(*top, divisor);
    if (!line.quiet(*top)) busy = cycle;
    top->clk_pin = 0;
    top->eval();
    if (!line.out.empty() && (line.out.size() >= 64 || cycle % kLook == 0)) {
      const ssize_t n = write(master, line.out.data(), line.out.size());
      if (n > 0) line.out.erase(line.out.begin(), line.out.begin() + n);
      if (n < 0 && errno != EAGAIN) break;
    }
  }
  top->final();
  return 0;
}
