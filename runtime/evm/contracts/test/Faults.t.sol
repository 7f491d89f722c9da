// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IVault} from "../IVault.sol";
import {Vault} from "../Vault.sol";
import {Market} from "./Market.sol";
import {Row} from "./Signing.sol";
import {VM, bound, equal, isTrue} from "./Vm.sol";

/// @dev "Faults that tests must cover" of the payments reference, as far as a contract can see them; one
/// test a row, named after it. Rows of tokens are in Vault.t.sol. What is lost at worst is asserted: the
/// payee never loses what was signed in time, the payer never more than the highest voucher it signed.
contract FaultsTest is Market {
    uint256 private constant ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;

    /// @dev Claims the row alone and expects it to be skipped, with nothing paid and nothing changed.
    function refused(Row memory row) private {
        uint128 before = claimed(row.laneId);
        uint256 had = dollar.balanceOf(payee);
        equal(claimRows(one(row)), 0, "paid");
        equal(claimed(row.laneId), before, "claimed");
        equal(dollar.balanceOf(payee), had, "payee");
    }

    function pays(Row memory row, uint256 amount) private {
        equal(claimRows(one(row)), amount, "paid");
    }

    function held() private view {
        equal(dollar.balanceOf(address(vault)) + dollar.balanceOf(payee), 100_000, "nothing is made or lost");
    }

    // ------------------------------------------------------------ vouchers

    function test_vouchers_replayed() public {
        Row memory row = plain(KEY, address(vault), lane(id, 1, 100), 60);
        pays(row, 60);
        for (uint256 i = 0; i < 3; ++i) refused(row);
        held();
    }

    function test_vouchers_lower() public {
        bytes32 laneId = lane(id, 1, 100);
        pays(plain(KEY, address(vault), laneId, 60), 60);
        refused(plain(KEY, address(vault), laneId, 59));
    }

    function test_vouchers_equal() public {
        bytes32 laneId = lane(id, 1, 100);
        pays(plain(KEY, address(vault), laneId, 60), 60);
        // The same sum for something else (another ref), and the opened lock of the same sum.
        Row memory row = plain(KEY, address(vault), laneId, 60);
        row.ref = "other";
        row.signature = sign(KEY, address(vault), plainStruct(laneId, 60, "other"));
        refused(row);
        refused(locked(KEY, address(vault), laneId, 60, 20, "preimage", 2_000_000));
    }

    function test_vouchers_overReserve() public {
        bytes32 laneId = lane(id, 1, 100);
        refused(plain(KEY, address(vault), laneId, 101));
        refused(plain(KEY, address(vault), laneId, type(uint128).max));
        pays(plain(KEY, address(vault), laneId, 100), 100);
        // The next lane's money is its own.
        equal(claimed(lane(id, 2, 100)), 0, "other lane");
    }

    function test_vouchers_wrongChain() public {
        Row memory row = plain(KEY, address(vault), lane(id, 1, 100), 60);
        VM.chainId(999);
        refused(row);
    }

    function test_vouchers_wrongContract() public {
        refused(plain(KEY, address(new Vault()), lane(id, 1, 100), 60));
    }

    function test_vouchers_wrongLane() public {
        bytes32 laneId = lane(id, 1, 100);
        Row memory row = plain(KEY, address(vault), lane(id, 2, 100), 60);
        row.laneId = laneId;
        refused(row);
        row.laneId = "nowhere";
        refused(row);
    }

    function test_vouchers_wrongKey() public {
        bytes32 laneId = lane(id, 1, 100);
        refused(plain(PAYEE_KEY, address(vault), laneId, 60));
        refused(plain(ARBITER_KEY, address(vault), laneId, 60));
    }

    function test_vouchers_highS() public {
        bytes32 laneId = lane(id, 1, 100);
        Row memory row = plain(KEY, address(vault), laneId, 60);
        bytes memory good = row.signature;
        (bytes32 r, bytes32 s) = (word(good, 0), word(good, 32));
        row.signature = abi.encodePacked(r, bytes32(ORDER - uint256(s)), uint8(good[64]) == 27 ? 28 : 27);
        refused(row);
        row.signature = good;
        pays(row, 60);
    }

    function testFuzz_vouchers_truncated(uint256 length) public {
        length = bound(length, 0, 64);
        Row memory row = plain(KEY, address(vault), lane(id, 1, 100), 60);
        bytes memory cut = new bytes(length);
        for (uint256 i = 0; i < length; ++i) cut[i] = row.signature[i];
        row.signature = cut;
        refused(row);
    }

    // ------------------------------------------------------------ exit races

    /// @dev A payee's release signed before a top-up closes the lane after it: the top-up goes home.
    function test_exitRaces_topUpWhileReleasing() public {
        bytes32 laneId = lane(id, 1, 100);
        pays(plain(KEY, address(vault), laneId, 60), 60);
        bytes memory signature = releaseOf(PAYEE_KEY, address(vault), laneId, 60);
        lane(id, 1, 5_000);
        vault.release(laneId, 60, signature);
        equal(vault.vaultOf(id).free, 99_940, "free");
        refused(plain(KEY, address(vault), laneId, 70));
        held();
    }

    /// @dev On the way out no top-up is taken: what finalize sweeps was fixed when the exit began.
    function test_exitRaces_topUpWhileExiting() public {
        bytes32 laneId = lane(id, 1, 100);
        vault.exit(laneId);
        IVault.Reservation[] memory rows = new IVault.Reservation[](1);
        rows[0] = IVault.Reservation(payee, 1, 200);
        VM.expectRevert(abi.encodeWithSelector(IVault.LaneIsExiting.selector, laneId));
        vault.reserve(id, rows);
        pays(plain(KEY, address(vault), laneId, 60), 60);
        VM.warp(1_000_000 + 1 hours);
        vault.finalize(laneId);
        equal(vault.vaultOf(id).free, 99_940, "free");
        held();
    }

    // ------------------------------------------------------------ batches

    function testFuzz_batches_oneBadRow(uint8 place) public {
        place = place % 10;
        Row[] memory rows = new Row[](10);
        for (uint64 i = 0; i < 10; ++i) rows[i] = plain(KEY, address(vault), lane(id, i, 10), 10);
        rows[place].signature[3] ^= 0x01;
        equal(claimRows(rows), 90, "paid");
        for (uint256 i = 0; i < 10; ++i) equal(claimed(rows[i].laneId), i == place ? 0 : 10, "row");
    }

    function test_batches_duplicates() public {
        Row memory row = plain(KEY, address(vault), lane(id, 1, 100), 60);
        Row[] memory rows = new Row[](3);
        (rows[0], rows[1], rows[2]) = (row, row, row);
        equal(claimRows(rows), 60, "paid");
    }

    function test_batches_of1And200RowsAndNotOneMore() public {
        uint128 each = 7;
        Row[] memory rows = new Row[](200);
        for (uint64 i = 0; i < 200; ++i) rows[i] = plain(KEY, address(vault), lane(id, i, each), each);
        equal(claimRows(one(rows[0])), each, "one");
        equal(claimRows(rows), 199 * each, "the others");
        VM.expectRevert(abi.encodeWithSelector(IVault.RowCount.selector, 0, 200));
        vault.claim(new IVault.Batch[](0));
        IVault.Batch[] memory batches = new IVault.Batch[](2);
        batches[0] = IVault.Batch(id, payee, new IVault.Claim[](200));
        batches[1] = IVault.Batch(id, payee, new IVault.Claim[](1));
        VM.expectRevert(abi.encodeWithSelector(IVault.RowCount.selector, 201, 200));
        vault.claim(batches);
    }

    /// @dev Plain, locked and escrow rows in one batch, a bad one of each between them.
    function test_batches_ofEveryKind() public {
        IVault.EscrowVoucher memory due = IVault.EscrowVoucher(
            lane(id, 1, 100), 30, 20, VM.addr(ARBITER_KEY), 1_000_000, 2_000_000, bytes32("ref")
        );
        IVault.EscrowVoucher memory early = due;
        Row[] memory rows = new Row[](6);
        rows[0] = escrow(KEY, address(vault), due);
        early = IVault.EscrowVoucher(lane(id, 2, 100), 30, 20, due.arbiter, 1_500_000, 2_000_000, bytes32("ref"));
        rows[1] = escrow(KEY, address(vault), early);
        rows[2] = locked(KEY, address(vault), lane(id, 3, 100), 40, 40, "preimage", 2_000_000);
        rows[3] = locked(KEY, address(vault), lane(id, 4, 100), 40, 40, "preimage", 1_000_000);
        rows[4] = plain(KEY, address(vault), lane(id, 5, 100), 50);
        rows[5] = plain(KEY, address(vault), rows[3].laneId, 50);
        rows[5].kind = 3;
        equal(claimRows(rows), 30 + 40 + 50, "paid");
        equal(claimed(rows[1].laneId) + claimed(rows[3].laneId), 0, "bad rows");
        held();
    }

    // ------------------------------------------------------------ locks

    /// @dev The payee revealed the preimage and the payer never folded: the chain pays the lock itself.
    function test_locks_revealedButNotFolded() public {
        bytes32 laneId = lane(id, 1, 100);
        pays(plain(KEY, address(vault), laneId, 30), 30);
        pays(locked(KEY, address(vault), laneId, 50, 20, "preimage", 1_000_010), 20);
        // Folded after all: the same sum again moves nothing.
        refused(plain(KEY, address(vault), laneId, 50));
    }

    /// @dev user→hub expires later than hub→provider: a hub that was dead until after the provider's claim
    /// still reads the preimage from the chain and claims upstream. Its loss is nothing.
    function testFuzz_locks_hubCrashBetweenHops(uint48 back) public {
        uint256 hubKey = 0x4B;
        address hub = VM.addr(hubKey);
        dollar.mint(address(this), 1_000);
        bytes32 hubVault = vault.open(IVault.Terms(address(this), hub, address(dollar), 1 hours, 8), 1_000);
        (uint48 downEnds, uint48 upEnds) = (1_000_100, 1_000_200);
        Row memory up = locked(KEY, address(vault), laneTo(id, hub, 1, 100), 50, 50, "preimage", upEnds);
        Row memory down = locked(hubKey, address(vault), lane(hubVault, 1, 100), 50, 50, "preimage", downEnds);
        VM.warp(downEnds - 1);
        pays(down, 50);
        back = uint48(bound(back, downEnds, upEnds + 2));
        VM.warp(back);
        pays(up, back < upEnds ? 50 : 0);
        equal(dollar.balanceOf(hub), back < upEnds ? 50 : 0, "hub");
        equal(dollar.balanceOf(payee), 50, "provider");
    }

    // ------------------------------------------------------------ chain and process

    /// @dev A block with reserve and claim is lost: the same words bring the same state again, once.
    function test_chain_reorgOfReserveAndClaim() public {
        uint256 fork = VM.snapshotState();
        bytes32 laneId = lane(id, 1, 100);
        Row memory row = plain(KEY, address(vault), laneId, 60);
        pays(row, 60);
        VM.revertToState(fork);
        refused(row);
        lane(id, 1, 100);
        pays(row, 60);
        refused(row);
        held();
    }

    /// @dev A payee that lost its newest vouchers is paid the old one, and the rest when they are found.
    function test_process_restoredOldVoucherStore() public {
        bytes32 laneId = lane(id, 1, 100);
        pays(plain(KEY, address(vault), laneId, 20), 20);
        pays(plain(KEY, address(vault), laneId, 60), 40);
        refused(plain(KEY, address(vault), laneId, 20));
    }

    /// @dev Two nodes sign on one lane without knowing of each other: the payer owes the higher sum only.
    function testFuzz_process_twoNodesOnOneLane(uint128 first, uint128 second) public {
        (first, second) = (uint128(bound(first, 1, 100)), uint128(bound(second, 1, 100)));
        bytes32 laneId = lane(id, 1, 100);
        claimRows(one(plain(KEY, address(vault), laneId, first)));
        claimRows(one(plain(KEY, address(vault), laneId, second)));
        equal(dollar.balanceOf(payee), first > second ? first : second, "loss of the payer");
    }

    /// @dev However often and in whatever order five vouchers come: the payee has the highest.
    function testFuzz_process_duplicatedAndReorderedMessages(uint256 seed) public {
        bytes32 laneId = lane(id, 1, 100);
        uint256 paid;
        for (uint256 i = 0; i < 12; ++i) {
            uint256 which = i < 11 ? uint256(keccak256(abi.encode(seed, i))) % 5 : 4;
            paid += claimRows(one(plain(KEY, address(vault), laneId, uint128(20 * (which + 1)))));
        }
        equal(paid, 100, "paid");
    }

    function word(bytes memory data, uint256 from) private pure returns (bytes32 out) {
        assembly ("memory-safe") {
            out := mload(add(add(data, 0x20), from))
        }
    }
}
