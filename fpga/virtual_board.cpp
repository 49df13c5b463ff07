// The virtual board: the board's top level in Verilator, its UART pins on a pseudo-terminal.
//
//   virtual_board DIVISOR    prints the name of the terminal, then serves it until a signal or the end of stdin
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

// Clock cycles without a bit on the line after which the board is taken to be at rest.
constexpr uint64_t kRest = 100000;
// Clock cycles from the start until the board is out of reset.
constexpr unsigned kStart = 100;
// Clock cycles between two looks at the terminal while the line is busy.
constexpr uint64_t kLook = 512;

struct Sender {  // host to board
  std::deque<uint8_t> bytes;
  unsigned bits = 0, frame = 0, timer = 0;
  bool line(unsigned divisor) {
    if (bits == 0) {
      if (bytes.empty()) return true;
      frame = bytes.front() << 1 | 0x200;
      bytes.pop_front();
      bits = 10;
      timer = divisor;
    }
    const bool level = frame & 1;
    if (--timer == 0) {
      frame >>= 1;
      timer = divisor;
      --bits;
    }
    return level;
  }
  bool idle() const { return bits == 0 && bytes.empty(); }
};

struct Receiver {  // board to host
  std::vector<uint8_t> bytes;
  unsigned left = 0, value = 0, timer = 0;
  void line(bool level, unsigned divisor) {
    if (left == 0) {
      if (!level) {
        left = 9;
        timer = divisor + divisor / 2;
      }
    } else if (--timer == 0) {
      timer = divisor;
      if (--left == 0) {
        bytes.push_back(static_cast<uint8_t>(value));
      } else {
        value = (value >> 1 | (level ? 0x80u : 0u)) & 0xFF;
      }
    }
  }
};

}  // namespace

int main(int argc, char** argv) {
  const unsigned divisor = argc > 1 ? static_cast<unsigned>(std::atoi(argv[1])) : 0;
  if (divisor < 4) {
    std::fprintf(stderr, "usage: virtual_board DIVISOR (at least 4)\n");
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
  Sender sender;
  Receiver receiver;
  top->clk_pin = 0;
  top->uart_rx = 1;
  for (unsigned cycle = 0; cycle < kStart; ++cycle) {
    top->clk_pin = 1;
    top->eval();
    top->clk_pin = 0;
    top->eval();
  }
  std::printf("%s\n", name);
  std::fflush(stdout);
  for (uint64_t cycle = 0, busy = 0;; ++cycle) {
    const bool rest = cycle - busy > kRest;
    if (rest || cycle % kLook == 0) {
      pollfd waiting[2] = {{master, POLLIN, 0}, {0, POLLIN, 0}};
      poll(waiting, 2, rest ? 1000 : 0);
      uint8_t buffer[4096];
      if (waiting[1].revents & (POLLIN | POLLHUP)) {
        if (read(0, buffer, sizeof buffer) <= 0) break;  // who started this board is gone
      }
      if (sender.bytes.size() < sizeof buffer && (waiting[0].revents & POLLIN)) {
        const ssize_t n = read(master, buffer, sizeof buffer);
        if (n > 0) sender.bytes.insert(sender.bytes.end(), buffer, buffer + n);
      }
      if (rest && sender.idle()) {
        --cycle;  // time stands still
        continue;
      }
    }
    top->uart_rx = sender.line(divisor);
    top->clk_pin = 1;
    top->eval();
    receiver.line(top->uart_tx, divisor);
    if (!sender.idle() || receiver.left || !top->uart_tx) busy = cycle;
    top->clk_pin = 0;
    top->eval();
    if (!receiver.bytes.empty() && (receiver.bytes.size() >= 64 || cycle % kLook == 0)) {
      const ssize_t n = write(master, receiver.bytes.data(), receiver.bytes.size());
      if (n > 0) receiver.bytes.erase(receiver.bytes.begin(), receiver.bytes.begin() + n);
      if (n < 0 && errno != EAGAIN) break;
    }
  }
  top->final();
  return 0;
}
