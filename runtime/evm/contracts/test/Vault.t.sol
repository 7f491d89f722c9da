// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IVault} from "../IVault.sol";
import {Market} from "./Market.sol";
import {PlainToken} from "./Tokens.sol";
import {Row} from "./Signing.sol";
import {VM, bound, equal} from "./Vm.sol";

/// @dev Unit and fuzz tests; the tables of faults and attacks are in Faults.t.sol and Attacks.t.sol, and
/// rail.contract.ts runs over anvil.
contract VaultTest is Market {
    // ------------------------------------------------------------ vouchers

    /// @dev Whatever is claimed in whatever order, the payee has the highest valid cumulative.
    function testFuzz_highestCumulativeWins(uint128[8] calldata sums, uint128 total) public {
        total = uint128(bound(total, 1, 100_000));
        bytes32 laneId = lane(id, 1, total);
        uint128 highest;
        Row[] memory rows = new Row[](8);
        for (uint256 i = 0; i < 8; ++i) {
            uint128 sum = uint128(bound(sums[i], 0, uint256(total) * 2));
            rows[i] = plain(KEY, address(vault), laneId, sum);
            if (sum <= total && sum > highest) highest = sum;
        }
        claimRows(rows);
        claimRows(rows);
        equal(claimed(laneId), highest, "claimed");
        equal(dollar.balanceOf(payee), highest, "paid");
    }

    function testFuzz_noOtherKeySigns(uint256 key, uint128 sum) public {
        key = bound(key, 1, type(uint128).max);
        VM.assume(key != KEY);
        bytes32 laneId = lane(id, 1, 1_000);
        equal(claimRows(one(plain(key, address(vault), laneId, uint128(bound(sum, 1, 1_000))))), 0, "paid");
    }

    function testFuzz_anyByteFlippedIsRefused(uint8 place, uint8 flip) public {
        VM.assume(flip != 0);
        bytes32 laneId = lane(id, 1, 1_000);
        Row memory row = plain(KEY, address(vault), laneId, 10);
        row.signature[place % 65] ^= bytes1(flip);
        equal(claimRows(one(row)), 0, "paid");
    }

    function testFuzz_reservesNeverFall(uint128[4] calldata totals) public {
        uint128 highest;
        for (uint256 i = 0; i < 4; ++i) {
            uint128 total = uint128(bound(totals[i], 1, 100_000));
            lane(id, 1, total);
            if (total > highest) highest = total;
        }
        equal(vault.vaultOf(id).free, 100_000 - highest, "free");
    }

    /// @dev After a fork the domain separator follows the chain id.
    function test_otherChainIdIsRefused() public {
        bytes32 laneId = lane(id, 1, 1_000);
        Row memory row = plain(KEY, address(vault), laneId, 10);
        VM.chainId(999);
        equal(claimRows(one(row)), 0, "paid");
    }

    function test_batchOfSeveralPayeesAndTokens() public {
        PlainToken token = new PlainToken();
        bytes32 second = other(token);
        address friend = address(0xF0);
        Row[] memory rows = new Row[](4);
        rows[0] = plain(KEY, address(vault), lane(id, 1, 100), 10);
        rows[1] = plain(KEY, address(vault), lane(second, 1, 100), 20);
        rows[2] = plain(KEY, address(vault), laneTo(id, friend, 1, 100), 30);
        rows[3] = plain(KEY, address(vault), lane(id, 2, 100), 40);
        equal(claimRows(rows), 100, "paid");
        equal(dollar.balanceOf(payee), 50, "payee");
        equal(dollar.balanceOf(friend), 30, "friend");
        equal(token.balanceOf(payee), 20, "other token");
    }

    // ------------------------------------------------------------ locks and escrow

    function testFuzz_locks_wrongPreimageAndExpiryToTheSecond(uint48 expiry, uint48 when, bytes32 preimage, bytes32 guess) public {
        expiry = uint48(bound(expiry, 1_000_001, 2_000_000));
        when = uint48(bound(when, expiry - 2, expiry + 2));
        Row memory row = locked(KEY, address(vault), lane(id, 1, 100), 50, 20, preimage, expiry);
        VM.warp(when);
        if (guess != preimage) {
            row.preimage = guess;
            equal(claimRows(one(row)), 0, "wrong preimage");
            row.preimage = preimage;
        }
        equal(claimRows(one(row)), when < expiry ? 50 : 0, "paid");
    }

    function testFuzz_rulingSplits(uint128 amount, uint128 given, uint48 when) public {
        amount = uint128(bound(amount, 1, 60));
        given = uint128(bound(given, 0, amount));
        IVault.EscrowVoucher memory voucher = IVault.EscrowVoucher(
            lane(id, 1, 100), 60, amount, VM.addr(ARBITER_KEY), 1_000_010, 1_000_020, bytes32("ref")
        );
        vault.rule(voucher, given, ruling(ARBITER_KEY, address(vault), voucher, given));
        VM.warp(bound(when, 1_000_000, 1_000_019));
        equal(claimRows(one(escrow(KEY, address(vault), voucher))), 60 - amount + given, "paid");
        VM.warp(1_000_015);
        equal(claimRows(one(escrow(KEY, address(vault), voucher))), 0, "again");
    }

    function testFuzz_silentArbiterDelaysNobody(uint48 when) public {
        when = uint48(bound(when, 1_000_000, 1_000_030));
        IVault.EscrowVoucher memory voucher = IVault.EscrowVoucher(
            lane(id, 1, 100), 60, 60, VM.addr(ARBITER_KEY), 1_000_010, 1_000_020, bytes32("ref")
        );
        VM.warp(when);
        bool due = when >= 1_000_010 && when < 1_000_020;
        equal(claimRows(one(escrow(KEY, address(vault), voucher))), due ? 60 : 0, "paid");
        bytes memory late = ruling(ARBITER_KEY, address(vault), voucher, 1);
        if (when >= 1_000_010) VM.expectRevert(abi.encodeWithSelector(IVault.ChallengeOver.selector, 1_000_010));
        vault.rule(voucher, 1, late);
    }

    /// @dev A zero arbiter is nobody: an invalid signature, which recovers zero, does not rule for it.
    function test_zeroArbiterNeverRules() public {
        IVault.EscrowVoucher memory voucher =
            IVault.EscrowVoucher(lane(id, 1, 100), 60, 60, address(0), 1_000_010, 1_000_020, 0);
        VM.expectRevert(IVault.BadSignature.selector);
        vault.rule(voucher, 0, new bytes(65));
    }

    // ------------------------------------------------------------ closing

    function testFuzz_exitRaces_delayToTheSecond(uint48 when) public {
        bytes32 laneId = lane(id, 1, 100);
        vault.exit(laneId);
        when = uint48(bound(when, 1_000_000, 1_000_000 + 2 hours));
        VM.warp(when);
        if (when < 1_000_000 + 1 hours) {
            VM.expectRevert(abi.encodeWithSelector(IVault.NotYet.selector, 1_000_000 + 1 hours));
            vault.finalize(laneId);
        } else {
            vault.finalize(laneId);
            equal(vault.vaultOf(id).free, 100_000, "free");
        }
    }

    /// @dev Claim and finalize in one block: whichever comes first, nothing is lost or doubled.
    function testFuzz_exitRaces_claimAgainstFinalizeInOneBlock(bool claimFirst) public {
        bytes32 laneId = lane(id, 1, 100);
        vault.exit(laneId);
        VM.warp(1_000_000 + 1 hours);
        Row[] memory rows = one(plain(KEY, address(vault), laneId, 60));
        if (claimFirst) claimRows(rows);
        vault.finalize(laneId);
        if (!claimFirst) claimRows(rows);
        equal(dollar.balanceOf(payee), claimFirst ? 60 : 0, "payee");
        equal(vault.vaultOf(id).free, claimFirst ? 99_940 : 100_000, "free");
        equal(dollar.balanceOf(address(vault)), vault.vaultOf(id).free, "I2");
    }

    function test_releaseIsBoundToItsLane() public {
        bytes32 laneId = lane(id, 1, 100);
        bytes memory signature = releaseOf(PAYEE_KEY, address(vault), lane(id, 2, 100), 0);
        VM.expectRevert(IVault.BadSignature.selector);
        vault.release(laneId, 0, signature);
        VM.expectRevert(IVault.BadSignature.selector);
        vault.release(laneId, 0, "");
    }
}
