// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IVault} from "../IVault.sol";
import {Market} from "./Market.sol";
import {Row} from "./Signing.sol";
import {VM, equal, isTrue} from "./Vm.sol";

/// @dev Every named error of the vault by what brings it about, and every way a row can be malformed.
contract RefusalsTest is Market {
    function reservation(address to, uint128 total) private pure returns (IVault.Reservation[] memory rows) {
        rows = new IVault.Reservation[](1);
        rows[0] = IVault.Reservation(to, 1, total);
    }

    function test_onlyTheOwner() public {
        bytes32 laneId = lane(id, 1, 100);
        bytes memory error_ = abi.encodeWithSelector(IVault.NotOwner.selector, STRANGER, address(this));
        VM.startPrank(STRANGER);
        VM.expectRevert(error_);
        vault.reserve(id, reservation(STRANGER, 1));
        VM.expectRevert(error_);
        vault.exit(laneId);
        VM.expectRevert(error_);
        vault.withdraw(id, 1, STRANGER);
        VM.stopPrank();
    }

    function test_whatIsNotThere() public {
        bytes memory noVault = abi.encodeWithSelector(IVault.UnknownVault.selector, bytes32("none"));
        bytes memory noLane = abi.encodeWithSelector(IVault.UnknownLane.selector, bytes32("none"));
        VM.expectRevert(noVault);
        vault.deposit("none", 1);
        VM.expectRevert(noVault);
        vault.reserve("none", reservation(payee, 1));
        VM.expectRevert(noVault);
        vault.withdraw("none", 1, payee);
        VM.expectRevert(noVault);
        vault.reserveBySignature("none", reservation(payee, 1), 2_000_000, "");
        VM.expectRevert(noLane);
        vault.exit("none");
        VM.expectRevert(noLane);
        vault.finalize("none");
        VM.expectRevert(noLane);
        vault.release("none", 0, "");
        (bool ruled, uint128 amount) = vault.rulingOf("none");
        isTrue(!ruled && amount == 0 && vault.creditOf(address(dollar), payee) == 0, "reads");
    }

    function test_badTerms() public {
        for (uint256 i = 0; i < 5; ++i) {
            IVault.Terms memory bad = terms(address(dollar));
            if (i == 0) bad.owner = address(0);
            if (i == 1) bad.voucherKey = address(0);
            if (i == 2) bad.token = address(0);
            if (i == 3) bad.delay = 0;
            if (i == 4) bad.delay = 365 days + 1;
            VM.expectRevert(IVault.BadTerms.selector);
            vault.open(bad, 0);
        }
    }

    function test_badReceivers() public {
        address self = address(vault);
        VM.expectRevert(abi.encodeWithSelector(IVault.BadReceiver.selector, address(0)));
        vault.reserve(id, reservation(address(0), 1));
        VM.expectRevert(abi.encodeWithSelector(IVault.BadReceiver.selector, self));
        vault.reserve(id, reservation(self, 1));
        VM.expectRevert(abi.encodeWithSelector(IVault.BadReceiver.selector, self));
        vault.withdraw(id, 1, self);
        VM.expectRevert(abi.encodeWithSelector(IVault.BadReceiver.selector, self));
        vault.collect(address(dollar), self);
    }

    function test_tooMuchAndTooFew() public {
        uint128 most = type(uint104).max;
        VM.expectRevert(abi.encodeWithSelector(IVault.TooMuch.selector, most + 1, most));
        vault.reserve(id, reservation(payee, most + 1));
        VM.expectRevert(abi.encodeWithSelector(IVault.InsufficientFree.selector, most, 100_000));
        vault.reserve(id, reservation(payee, most));
        VM.expectRevert(abi.encodeWithSelector(IVault.InsufficientFree.selector, 100_001, 100_000));
        vault.withdraw(id, 100_001, payee);
        VM.expectRevert(abi.encodeWithSelector(IVault.RowCount.selector, 0, 200));
        vault.reserve(id, new IVault.Reservation[](0));
        VM.expectRevert(abi.encodeWithSelector(IVault.RowCount.selector, 201, 200));
        vault.reserve(id, new IVault.Reservation[](201));
    }

    function test_aClosedLaneIsClosedForEverything() public {
        bytes32 laneId = lane(id, 1, 100);
        bytes memory early = abi.encodeWithSelector(IVault.ClaimFirst.selector, 0, 1);
        VM.startPrank(payee);
        VM.expectRevert(early);
        vault.release(laneId, 1, "");
        vault.release(laneId, 0, "");
        VM.stopPrank();
        bytes memory closed = abi.encodeWithSelector(IVault.LaneIsClosed.selector, laneId);
        VM.expectRevert(closed);
        vault.release(laneId, 0, "");
        VM.expectRevert(closed);
        vault.exit(laneId);
        VM.expectRevert(closed);
        vault.finalize(laneId);
        VM.expectRevert(closed);
        vault.reserve(id, reservation(payee, 200));
        equal(claimRows(one(plain(KEY, address(vault), laneId, 50))), 0, "claim");
    }

    function test_rulings() public {
        IVault.EscrowVoucher memory voucher = IVault.EscrowVoucher(
            lane(id, 1, 100), 60, 20, VM.addr(ARBITER_KEY), 1_000_010, 1_000_020, bytes32("ref")
        );
        bytes memory high = ruling(ARBITER_KEY, address(vault), voucher, 21);
        VM.expectRevert(abi.encodeWithSelector(IVault.RulingTooHigh.selector, 21, 20));
        vault.rule(voucher, 21, high);
        bytes memory good = ruling(ARBITER_KEY, address(vault), voucher, 7);
        vault.rule(voucher, 7, good);
        bytes32 hash = keccak256(abi.encodePacked(hex"1901", domain(address(vault)), keccak256(escrowStruct(voucher))));
        (bool ruled, uint128 amount) = vault.rulingOf(hash);
        isTrue(ruled && amount == 7, "recorded");
        VM.expectRevert(abi.encodeWithSelector(IVault.AlreadyRuled.selector, hash));
        vault.rule(voucher, 7, good);
    }

    /// @dev Rows that say more than their sum, are of no kind, or lack their condition: skipped, not reverted.
    function test_malformedRowsAreSkipped() public {
        bytes32 laneId = lane(id, 1, 100);
        Row[] memory rows = new Row[](3);
        rows[0] = locked(KEY, address(vault), laneId, 20, 21, "preimage", 2_000_000);
        rows[1] = escrow(
            KEY,
            address(vault),
            IVault.EscrowVoucher(laneId, 20, 21, VM.addr(ARBITER_KEY), 1_000_000, 2_000_000, bytes32("ref"))
        );
        rows[2] = plain(KEY, address(vault), laneId, 20);
        rows[2].kind = 3;
        equal(claimRows(rows), 0, "paid");
        IVault.Batch[] memory batches = batchesOf(vault, one(locked(KEY, address(vault), laneId, 20, 20, "p", 2_000_000)));
        batches[0].rows[0].condition = new bytes(127);
        equal(vault.claim(batches), 0, "short condition");
        // A lane under its bare id is refused, whatever is signed for it.
        batches = batchesOf(vault, one(plain(KEY, address(vault), laneId, 20)));
        (batches[0].vaultId, batches[0].payee) = (laneId, address(0));
        equal(vault.claim(batches), 0, "no payee");
        // A payee or vault other than the lane's is another lane, which is not there.
        batches[0] = IVault.Batch(id, STRANGER, batches[0].rows);
        equal(vault.claim(batches), 0, "another payee");
        equal(dollar.balanceOf(STRANGER), 0, "the thief");
    }

    function test_lanesAsTheyStand() public {
        bytes32[] memory ids = new bytes32[](2);
        (ids[0], ids[1]) = (lane(id, 9, 100), bytes32("none"));
        IVault.Lane[] memory lanes = vault.lanesOf(ids);
        isTrue(lanes[0].vaultId == id && lanes[0].payee == payee && lanes[0].number == 9, "facts");
        isTrue(lanes[0].reserved == 100 && lanes[1].vaultId == 0, "amounts");
    }
}
