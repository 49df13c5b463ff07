// Hostile traffic on an engine for as many frames as asked: pauses on every port, frames of wrong lengths, resets at any
// moment, register accesses all the while. Everything that comes out is compared with what must come.
// Arguments: seed, frames, bytes of a beat, beats of a frame, bytes of a result, images.
// Files: images.bin (beats, lowest byte first), results.bin (the right result of each image), registers.txt.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <string>
#include <vector>

#include "Vtop.h"
#include "verilated.h"

double sc_time_stamp() { return 0; }

namespace {

constexpr uint64_t HANGS = 1'000'000;
constexpr unsigned OKAY = 0, SLVERR = 2;

uint64_t state;
uint64_t draw() {  // splitmix64
    uint64_t z = state += 0x9E3779B97F4A7C15;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
    z = (z ^ z >> 27) * 0x94D049BB133111EB;
    return z ^ z >> 31;
}
uint64_t below(uint64_t n) { return draw() % n; }
bool in_256(unsigned part) { return (draw() & 255) < part; }

std::vector<uint8_t> whole(const char* name) {
    std::vector<uint8_t> bytes;
    std::FILE* file = std::fopen(name, "rb");
    if (!file) std::exit(3);
    for (int c; (c = std::fgetc(file)) != EOF;) bytes.push_back(c);
    std::fclose(file);
    return bytes;
}

struct Register {
    std::string kind;  // constant, counter, control, empty
    unsigned address;
    uint32_t value;
};

struct Access {
    const Register* reg;
    unsigned strobes;
    uint32_t value;
    bool exact;
};

struct Counts {
    uint64_t frames, right, too_short, too_long, results, resets, settled, reads, writes, refused, cycles;
} total;

const char* const KINDS[] = {"FRAMES", "DROPPED", "RESULTS", "STATUS"};

class Soak {
  public:
    Soak(size_t in, size_t beats, size_t out, size_t images)
        : in(in), beats(beats), out(out), images(images), pool(whole("images.bin")), wanted(whole("results.bin")), held(out) {
        std::FILE* file = std::fopen("registers.txt", "r");
        char kind[32];
        unsigned address, value;
        while (file && std::fscanf(file, "%31s %u %u", kind, &address, &value) == 3) registers.push_back({kind, address, value});
        if (file) std::fclose(file);
        if (pool.size() != in * beats * images || wanted.size() != out * images || registers.empty()) std::exit(3);
    }

    void run(uint64_t frames) {
        reset();
        while (total.frames < frames) {
            // A third of the sessions end in a reset at any moment, and what is in the engine is lost.
            const bool is_cut = below(3) == 0;
            session(std::min<uint64_t>(1 + below(60), frames - total.frames), is_cut ? 1 + below(500) : UINT64_MAX);
            if (is_cut)
                reset();
            else
                settle();
        }
        settle();
    }

  private:
    const size_t in, beats, out, images;
    const std::vector<uint8_t> pool, wanted;
    std::vector<Register> registers;
    Vtop top;
    // The frame on its way in.
    size_t left = 0, sent = 0, image = 0;
    bool right = false;
    uint64_t to_come = 0;  // frames of this session that are still to be sent
    std::deque<size_t> due;
    unsigned pause_in = 0, pause_out = 0, pause_lite = 0;
    // What was offered and not taken.
    std::vector<uint8_t> held;
    bool is_held = false;
    // Since the last reset.
    uint64_t frames = 0, dropped = 0, results = 0;
    uint64_t quiet = 0;
    // Registers: accesses of which the address, the data is still to be taken, and those that wait for an answer.
    std::deque<Access> write_addresses, write_data, written, reading, read;
    size_t addresses_taken = 0, data_taken = 0;
    bool lite_traffic = true;

    [[noreturn]] void fail(const std::string& what) {
        std::printf("FAIL cycle %llu, frame %llu: %s\n", (unsigned long long)total.cycles, (unsigned long long)total.frames,
                    what.c_str());
        std::exit(1);
    }

    uint64_t count_of(const Register& r) const {
        switch (r.value) {
            case 0: return frames;
            case 1: return dropped;
            case 2: return results;
            default: return 0;
        }
    }

    void begin_frame() {
        const unsigned kind = below(100);
        image = below(images);
        sent = 0;
        if (kind < 8 && beats > 1) {
            left = 1 + below(beats - 1);
            ++total.too_short;
        } else if (kind >= 92) {
            left = beats + 1 + below(kind == 99 ? 3 * beats + 3 : 2);
            ++total.too_long;
        } else {
            left = beats;
            ++total.right;
        }
        right = left == beats;
        --to_come;
    }

    void drive_stream(bool traffic) {
        if (!top.s_axis_tvalid && traffic && !in_256(pause_in)) {
            if (!left && to_come) begin_frame();
            if (left) {
                std::memcpy(&top.s_axis_tdata, &pool[((image * beats) + sent % beats) * in], in);
                top.s_axis_tlast = left == 1;
                top.s_axis_tvalid = 1;
            }
        }
        top.m_axis_tready = !in_256(pause_out);
#ifdef SPIKES
        top.m_spike_tready = !in_256(pause_out);
#endif
    }

    void start_access() {
        const Register& r = registers[below(registers.size())];
        if (below(2)) {
            if (reading.size() + read.size() < 3) reading.push_back({&r, 0, 0, false});
        } else if (written.size() < 3) {
            // Nothing that is written may change what the engine does.
            const Access a{&r, below(4) ? 15u : unsigned(below(15)), r.kind == "control" ? 0u : uint32_t(draw()), false};
            write_addresses.push_back(a);
            write_data.push_back(a);
            written.push_back(a);
        }
    }

    void drive_lite() {
        if (lite_traffic && below(8) == 0) start_access();
        if (!top.s_axil_awvalid && !write_addresses.empty() && !in_256(pause_lite)) {
            top.s_axil_awaddr = write_addresses.front().reg->address;
            top.s_axil_awvalid = 1;
        }
        if (!top.s_axil_wvalid && !write_data.empty() && !in_256(pause_lite)) {
            top.s_axil_wdata = write_data.front().value;
            top.s_axil_wstrb = write_data.front().strobes;
            top.s_axil_wvalid = 1;
        }
        if (!top.s_axil_arvalid && !reading.empty() && !in_256(pause_lite)) {
            top.s_axil_araddr = reading.front().reg->address;
            top.s_axil_arvalid = 1;
        }
        top.s_axil_bready = !in_256(pause_lite);
        top.s_axil_rready = !in_256(pause_lite);
    }

    void look_at_stream(bool& moved) {
        if (top.s_axis_tvalid && top.s_axis_tready) {
            moved = true;
            ++sent;
            if (--left == 0) {
                ++total.frames;
                if (right) {
                    due.push_back(image);
                    ++frames;
                } else {
                    ++dropped;
                }
            }
            taken = true;
        }
        const uint8_t* word = reinterpret_cast<const uint8_t*>(&top.m_axis_tdata);
        if (is_held && (!top.m_axis_tvalid || std::memcmp(word, held.data(), out))) fail("a result changes while it waits");
        is_held = top.m_axis_tvalid && !top.m_axis_tready;
        if (is_held) std::memcpy(held.data(), word, out);
        if (!top.m_axis_tvalid) return;
        if (due.empty()) fail("a result that no frame has asked for");
        if (std::memcmp(word, &wanted[due.front() * out], out)) fail("a wrong result");
        if (!top.m_axis_tlast) fail("a result without tlast");
        if (top.m_axis_tready) {
            moved = true;
            due.pop_front();
            ++results;
            ++total.results;
        }
    }

    void look_at_lite(bool& moved) {
        // An answer comes a cycle after its question at the soonest: one of this cycle does not count.
        const size_t asked_writes = std::min(addresses_taken, data_taken), asked_reads = read.size();
        if (top.s_axil_awvalid && top.s_axil_awready) write_addresses.pop_front(), ++addresses_taken, address_done = moved = true;
        if (top.s_axil_wvalid && top.s_axil_wready) write_data.pop_front(), ++data_taken, data_done = moved = true;
        if (top.s_axil_bvalid) {
            if (!asked_writes) fail("an answer to a write that nobody has made");
            const Access& a = written.front();
            const bool refused = a.reg->kind != "control" || a.strobes != 15;
            if (top.s_axil_bresp != (refused ? SLVERR : OKAY)) fail("a write is answered wrongly");
            if (top.s_axil_bready) {
                total.refused += refused;
                ++total.writes;
                written.pop_front();
                --addresses_taken, --data_taken;
                moved = true;
            }
        }
        if (top.s_axil_arvalid && top.s_axil_arready) {
            read.push_back(reading.front());
            reading.pop_front();
            read_done = moved = true;
        }
        if (top.s_axil_rvalid) {
            if (!asked_reads) fail("an answer to a read that nobody has made");
            const Access& a = read.front();
            if (top.s_axil_rresp != (a.reg->kind == "empty" ? SLVERR : OKAY)) fail("a read is answered wrongly");
            const uint32_t value = top.s_axil_rdata;
            if (a.reg->kind == "constant" && value != a.reg->value) fail("a register has another value");
            if (a.reg->kind == "counter" && a.exact && value != count_of(*a.reg))
                fail(std::string(KINDS[a.reg->value]) + " is " + std::to_string(value) + ", not " + std::to_string(count_of(*a.reg)));
            if (a.reg->kind == "counter" && a.reg->value < 3 && value > count_of(*a.reg)) fail("a register counts too much");
            if (top.s_axil_rready) {
                read.pop_front();
                ++total.reads;
                moved = true;
            }
        }
    }

    bool taken = false, address_done = false, data_done = false, read_done = false;

    void cycle(bool traffic) {
        drive_stream(traffic);
        drive_lite();
        top.eval();  // what follows from inputs alone
        bool moved = taken = address_done = data_done = read_done = false;
        look_at_stream(moved);
        look_at_lite(moved);
        edge();
        if (taken) top.s_axis_tvalid = 0;
        if (address_done) top.s_axil_awvalid = 0;
        if (data_done) top.s_axil_wvalid = 0;
        if (read_done) top.s_axil_arvalid = 0;
        quiet = moved ? 0 : quiet + 1;
        if (quiet > HANGS && (traffic || !due.empty() || !written.empty() || !read.empty())) fail("it hangs");
    }

    void edge() {
        top.clk = 1;
        top.eval();
        top.clk = 0;
        top.eval();
        ++total.cycles;
    }

    // Send frames, for so many cycles at most.
    void session(uint64_t count, uint64_t cycles) {
        static const unsigned pauses[] = {0, 0, 26, 128, 230};
        pause_in = pauses[below(5)];
        pause_out = pauses[below(5)];
        pause_lite = pauses[below(5)];
        to_come = count;
        while ((to_come || left || top.s_axis_tvalid) && cycles--) cycle(true);
    }

    // Let everything come out, and compare the counters.
    void settle() {
        pause_out = std::min(pause_out, 128u);
        lite_traffic = false;
        const auto is_busy = [&] { return !due.empty() || !written.empty() || !reading.empty() || !read.empty(); };
        while (is_busy()) cycle(false);
        for (int k = 0; k < 64; ++k) cycle(false);
        for (const Register& r : registers)
            if (r.kind == "counter") reading.push_back({&r, 0, 0, true});
        while (is_busy()) cycle(false);
        lite_traffic = true;
        ++total.settled;
    }

    void reset() {
        top.s_axis_tvalid = top.s_axil_awvalid = top.s_axil_wvalid = top.s_axil_arvalid = 0;
        top.m_axis_tready = top.s_axil_bready = top.s_axil_rready = 0;
#ifdef SPIKES
        top.m_spike_tready = 0;
#endif
        top.rst = 1;
        for (uint64_t k = 1 + below(4); k; --k) edge();
        top.rst = 0;
        edge();
        edge();
        if (left) ++total.frames;  // it was begun
        left = to_come = quiet = addresses_taken = data_taken = 0;
        frames = dropped = results = 0;
        is_held = false;
        due.clear();
        write_addresses.clear(), write_data.clear(), written.clear(), reading.clear(), read.clear();
        ++total.resets;
    }
};

}  // namespace

int main(int argc, char** argv) {
    Verilated::commandArgs(argc, argv);
    if (argc < 7) return 3;
    state = std::strtoull(argv[1], nullptr, 10);
    const auto number = [&](int k) { return std::strtoull(argv[k], nullptr, 10); };
    Soak(number(3), number(4), number(5), number(6)).run(number(2));
    const Counts& t = total;
    std::printf("{\"frames\": %llu, \"right\": %llu, \"too_short\": %llu, \"too_long\": %llu, \"results\": %llu, \"resets\": %llu, "
                "\"settled\": %llu, \"reads\": %llu, \"writes\": %llu, \"refused\": %llu, \"cycles\": %llu}\n",
                (unsigned long long)t.frames, (unsigned long long)t.right, (unsigned long long)t.too_short,
                (unsigned long long)t.too_long, (unsigned long long)t.results, (unsigned long long)t.resets,
                (unsigned long long)t.settled, (unsigned long long)t.reads, (unsigned long long)t.writes,
                (unsigned long long)t.refused, (unsigned long long)t.cycles);
}
