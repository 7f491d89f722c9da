// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IVault} from "../IVault.sol";
import {Vault} from "../Vault.sol";
import {Row, Signing} from "./Signing.sol";
import {BarringToken} from "./Tokens.sol";
import {NotTrue, VM, bound, equal} from "./Vm.sol";

/// @dev Does what owners, payees, strangers and time do, and remembers what must hold.
contract Handler is Signing {
    uint256 private constant KEY = 0xA11CE;
    uint256 private constant ARBITER_KEY = 0xA4B;
    uint64 private constant NUMBERS = 4;

    Vault public immutable vault;
    BarringToken public immutable token;
    bytes32[2] public ids;
    address[3] public payees = [address(0x101), address(0x102), address(0x103)];
    bytes32[] public lanes;
    mapping(bytes32 => bool) private _known;
    mapping(bytes32 => uint128) public highest;
    /// @dev Highest sum that the voucher key has signed for.
    mapping(bytes32 => uint128) public signed;
    mapping(bytes32 => uint128) public reservedBefore;
    mapping(bytes32 => bool) public closedBefore;
    mapping(bytes32 => uint128) public claimedAtClose;
    /// @dev What went wrong first. A revert inside a call would only undo the call, so it is noted here.
    string public broken;
    uint256 public payments;
    uint256 public closes;

    /// @dev Every call ends with a look at every lane.
    modifier watched() {
        _;
        _observe();
    }

    function _must(bool condition, string memory what) private {
        if (!condition && bytes(broken).length == 0) broken = what;
    }

    constructor(Vault vault_, BarringToken token_) {
        vault = vault_;
        token = token_;
        token_.approve(address(vault_), type(uint256).max);
        for (uint64 i = 0; i < 2; ++i) {
            ids[i] = vault_.open(IVault.Terms(address(this), VM.addr(KEY), address(token_), 100, i), 0);
        }
    }

    function claimRows(Row[] memory rows) private returns (uint256) {
        return vault.claim(batchesOf(vault, rows));
    }

    function laneCount() external view returns (uint256) {
        return lanes.length;
    }

    function deposit(uint256 which, uint128 amount) external watched {
        amount = uint128(bound(amount, 1, 1e6));
        token.mint(address(this), amount);
        vault.deposit(ids[which % 2], amount);
    }

    /// @dev By an order, and once more by the same.
    function depositOrdered(uint256 which, uint128 amount, bytes32 salt) external watched {
        amount = uint128(bound(amount, 1, 1e6));
        address depositor = VM.addr(KEY);
        token.mint(depositor, amount);
        VM.prank(depositor);
        token.approve(address(vault), type(uint256).max);
        IVault.Terms memory its = IVault.Terms(address(this), depositor, address(token), 100, uint64(which % 2));
        IVault.DepositOrder memory order =
            IVault.DepositOrder(depositor, amount, uint48(block.timestamp + 1), salt);
        bytes memory signature = depositOf(KEY, address(vault), ids[which % 2], order);
        vault.openWithPermit(its, order, signature, "");
        try vault.openWithPermit(its, order, signature, "") {
            _must(false, "an order served twice");
        } catch {}
    }

    function withdraw(uint256 which, uint128 amount) external watched {
        vault.withdraw(ids[which % 2], uint128(bound(amount, 0, 1e6)), address(0x9));
    }

    function reserve(uint256 which, uint256 payee, uint64 number, uint128 total) external watched {
        bytes32 id = ids[which % 2];
        IVault.Reservation[] memory rows = new IVault.Reservation[](1);
        rows[0] = IVault.Reservation(payees[payee % 3], number % NUMBERS, uint128(bound(total, 1, 5e5)));
        bytes32 laneId = vault.laneIdOf(id, rows[0].payee, rows[0].number);
        vault.reserve(id, rows);
        _must(!closedBefore[laneId], "a closed lane was reserved");
        if (!_known[laneId]) {
            _known[laneId] = true;
            lanes.push(laneId);
        }
    }

    function _signs(bytes32 laneId, uint128 sum) private {
        if (sum > signed[laneId]) signed[laneId] = sum;
    }

    function claim(uint256 which, uint128 sum, uint256 second, uint128 secondSum) external watched {
        if (lanes.length == 0) return;
        Row[] memory rows = new Row[](3);
        _signs(lanes[which % lanes.length], uint128(bound(sum, 0, 6e5)));
        _signs(lanes[second % lanes.length], uint128(bound(secondSum, 0, 6e5)));
        rows[0] = plain(KEY, address(vault), lanes[which % lanes.length], uint128(bound(sum, 0, 6e5)));
        rows[1] = plain(KEY, address(vault), lanes[second % lanes.length], uint128(bound(secondSum, 0, 6e5)));
        rows[2] = plain(0xBAD, address(vault), lanes[which % lanes.length], 5e5);
        if (claimRows(rows) > 0) ++payments;
    }

    function claimLocked(uint256 which, uint128 sum, bool right) external watched {
        if (lanes.length == 0) return;
        sum = uint128(bound(sum, 1, 5e5));
        Row memory row = locked(
            KEY, address(vault), lanes[which % lanes.length], sum, sum / 2, "preimage", uint48(block.timestamp + 10)
        );
        if (right) _signs(row.laneId, sum);
        else row.preimage = "wrong";
        uint256 paid = claimRows(one(row));
        _must(right || paid == 0, "paid without the preimage");
    }

    function claimEscrow(uint256 which, uint128 sum, uint128 given, bool rule) external watched {
        if (lanes.length == 0) return;
        sum = uint128(bound(sum, 1, 5e5));
        IVault.EscrowVoucher memory voucher = IVault.EscrowVoucher(
            lanes[which % lanes.length],
            sum,
            sum,
            VM.addr(ARBITER_KEY),
            uint48(block.timestamp + 1),
            uint48(block.timestamp + 10),
            bytes32(uint256(sum))
        );
        given = uint128(bound(given, 0, sum));
        if (rule) vault.rule(voucher, given, ruling(ARBITER_KEY, address(vault), voucher, given));
        if (rule) _signs(voucher.laneId, given);
        uint256 paid = claimRows(one(escrow(KEY, address(vault), voucher)));
        _must(rule || paid == 0, "paid before the challenge ended");
    }

    function exit(uint256 which) external watched {
        if (lanes.length > 0) vault.exit(lanes[which % lanes.length]);
    }

    function finalize(uint256 which) external watched {
        if (lanes.length > 0) vault.finalize(lanes[which % lanes.length]);
    }

    function release(uint256 which) external watched {
        // Seldom, or every run would soon be out of open lanes.
        if (lanes.length == 0 || which % 4 != 0) return;
        bytes32 laneId = lanes[which % lanes.length];
        (IVault.Lane memory lane,) = vault.laneOf(laneId);
        VM.prank(lane.payee);
        vault.release(laneId, lane.claimed, "");
    }

    function collect(uint256 which) external watched {
        VM.prank(payees[which % 3]);
        vault.collect(address(token), address(0x9));
    }

    function bar(uint256 which, bool barred) external watched {
        token.bar(payees[which % 3], barred);
    }

    function wait_(uint256 seconds_) external watched {
        VM.warp(block.timestamp + bound(seconds_, 1, 200));
    }

    /// @dev Compares every lane with what it was when last looked at.
    function _observe() private {
        for (uint256 i = 0; i < lanes.length; ++i) {
            bytes32 laneId = lanes[i];
            (IVault.Lane memory lane,) = vault.laneOf(laneId);
            _must(lane.claimed >= highest[laneId], "claimed fell");
            _must(lane.reserved >= reservedBefore[laneId], "reserved fell");
            _must(lane.claimed <= lane.reserved, "claimed beyond reserved");
            _must(lane.claimed <= signed[laneId], "claimed beyond what was signed");
            if (closedBefore[laneId]) {
                _must(lane.closed, "reopened");
                _must(lane.claimed == claimedAtClose[laneId], "claimed after closing");
            } else if (lane.closed) {
                closedBefore[laneId] = true;
                claimedAtClose[laneId] = lane.claimed;
                ++closes;
            }
            highest[laneId] = lane.claimed;
            reservedBefore[laneId] = lane.reserved;
        }
    }

    function owed() external view returns (uint256 sum) {
        for (uint256 i = 0; i < 2; ++i) sum += vault.vaultOf(ids[i]).free;
        for (uint256 i = 0; i < 3; ++i) sum += vault.creditOf(address(token), payees[i]);
        for (uint256 i = 0; i < lanes.length; ++i) {
            (IVault.Lane memory lane,) = vault.laneOf(lanes[i]);
            if (!lane.closed) sum += lane.reserved - lane.claimed;
        }
    }
}

/// @dev I1 and I2 after every call of every random sequence.
contract InvariantTest {
    Handler private handler;

    function setUp() public {
        VM.warp(1_000_000);
        handler = new Handler(new Vault(), new BarringToken());
        handler.deposit(0, 1e6);
        handler.deposit(1, 1e6);
        for (uint256 i = 0; i < 4; ++i) handler.reserve(i, i, uint64(i), 2e5);
        handler.claim(0, 10, 1, 10);
        if (handler.payments() != 1) revert NotTrue("the handler cannot pay");
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    function invariant_balanceIsWhatIsOwed() external view {
        equal(handler.token().balanceOf(address(handler.vault())), handler.owed(), "I2");
    }

    function invariant_lanesOnlyMoveForward() external view {
        if (bytes(handler.broken()).length > 0) revert NotTrue(handler.broken());
    }
}
